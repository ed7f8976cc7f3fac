// A map of a function that does nothing, one task an item, on worker processes.
#include "bench.hpp"

const bench::workload bench::measured{"C++ map on processes", "ns/task", "lower", 1'000'000, 20'000};
