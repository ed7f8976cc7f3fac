// Ten million numbers, a function of a nanosecond, values written to memory that is there already.
#include "bench.hpp"

const bench::workload bench::measured{"C++ 10 M tiny items on threads, warm output", "ns/item", "lower", 10'000'000,
                                      200'000};
