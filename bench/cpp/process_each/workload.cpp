// A task submitted to a worker process and its result taken before the next: neither side has anything else to do.
#include "bench.hpp"

const bench::workload bench::measured{"C++ tasks on processes, one by one", "ns/task", "lower", 20'000, 1'000};
