// One thread submits tasks that return a number, then takes all results in order.
#include "bench.hpp"

const bench::workload bench::measured{"C++ futures, all at once, on threads", "ns/task", "lower", 200'000, 10'000};
