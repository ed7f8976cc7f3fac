#include "posix_queue_link.hpp"

namespace {

using link = bench::posix_queue_link;
const bench::entry here("POSIX message queue", link::version, bench::make<bench::linked_map<link>>, 0.2);

}  // namespace
