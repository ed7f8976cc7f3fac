// One thread submits tasks that return nothing, then waits until all have run.
#include "bench.hpp"

const bench::workload bench::measured{"C++ detached task on threads", "ns/task", "lower", 500'000, 20'000};
