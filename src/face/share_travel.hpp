// How the handles of the C++ face travel: a cell's handle, as it is.
#pragma once
#include <memory>
#include <span>

#include "centimane/bytes.hpp"
#include "share/slab.hpp"

namespace centimane::share {

template <class Shared>
void write_handle(writer& out, const Shared& it) {
  out.raw(it.hand_out());
}

template <class Shared>
std::shared_ptr<Shared> read_handle(reader& in) {
  const auto handle = in.raw<cell_handle>();
  return Shared::open(std::as_bytes(std::span(&handle, 1)));
}

}  // namespace centimane::share
