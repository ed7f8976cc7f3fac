#include "process/inbox.hpp"

namespace centimane::engine {

void inbox::tell(events& to) {
  reader in(bytes_.view());
  for (const stretch& s : stretches_) {
    for (index k = 0; k < s.count; ++k) {
      const auto word = in.raw<std::uint32_t>();
      const result_header head = layout::header_of(word);
      const verdict v{head.ok != 0, head.retryable != 0, (word & layout::flag_wait) != 0 ? in.raw<nanos>() : 0};
      const std::uint32_t length = word & layout::length_mask;
      reader body({in.bytes(length), length});
      if (head.kind == 0) {
        to.returned(s.first + k, s.attempt, s.worker, v.ok, v, body);
      } else {
        tell_block(to, s.first + k, s, v, body.raw<std::uint32_t>());
      }
    }
  }
  for (const loss& l : losses_) {
    for (index k = 0; k < l.count; ++k) to.lost(l.item + k, l.attempt, *l.why);
  }
  bytes_.clear();
  stretches_.clear();
  blocks_.clear();
  losses_.clear();
}

void inbox::tell_block(events& to, index item, const stretch& of, const verdict& v, std::uint32_t number) {
  std::vector<std::byte> body;
  try {
    body = blocks_[number].take_body();
  } catch (const std::exception& broken) {
    trouble why;
    why.where = stage::write_result;
    why.worker = of.worker;
    why.text = std::string("its result could not be read from the worker: ") + broken.what();
    to.lost(item, of.attempt, why);
    return;
  }
  blocks_[number] = {};
  to.returned(item, of.attempt, of.worker, v.ok, v, reader(body));
}

}  // namespace centimane::engine
