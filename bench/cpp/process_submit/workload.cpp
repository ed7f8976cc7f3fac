// Tasks submitted singly to worker processes, then all results taken.
#include "bench.hpp"

const bench::workload bench::measured{"C++ submitted tasks on processes", "ns/task", "lower", 200'000, 5'000};
