#include "futex_link.hpp"

namespace {

using link = bench::futex_link;
const bench::entry here("two futexes, no queue", link::version, bench::make<bench::linked_each<link>>);

}  // namespace
