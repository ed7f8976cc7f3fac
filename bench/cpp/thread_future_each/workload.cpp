// One thread submits a task that returns a number and takes its result before it submits the next.
#include "bench.hpp"

const bench::workload bench::measured{"C++ futures, one by one, on threads", "ns/task", "lower", 20'000, 2'000};
