// A task submitted to a worker process that has long been asleep, until its result is there.
#include "bench.hpp"

const bench::workload bench::measured{"C++ task on a sleeping process", "ns/task", "lower", 500, 100};
