// Ten million numbers, a function of a nanosecond, values in memory that is had for the purpose and given back.
#include "bench.hpp"

const bench::workload bench::measured{"C++ 10 M tiny items on threads, fresh output", "ns/item", "lower", 10'000'000,
                                      200'000};
