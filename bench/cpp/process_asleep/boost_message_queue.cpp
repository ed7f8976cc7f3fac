#include "boost_queue_link.hpp"

namespace {

using link = bench::boost_queue_link;
const bench::entry here("Boost.Interprocess message_queue", link::version, bench::make<bench::linked_asleep<link>>);

}  // namespace
