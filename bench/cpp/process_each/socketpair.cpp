#include "socketpair_link.hpp"

namespace {

using link = bench::socketpair_link;
const bench::entry here("socketpair", link::version, bench::make<bench::linked_each<link>>);

}  // namespace
