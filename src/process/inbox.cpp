#include "process/inbox.hpp"

namespace centimane::engine {

void inbox::tell(events& to) {
  reader in(bytes_.view());
  while (in.remaining() > 0) {
    const auto e = in.raw<entry>();
    const verdict v{e.ok, e.retryable, e.server_wait};
    if (e.what == kind::body) {
      to.returned(e.item, e.attempt, e.worker, e.ok, v, reader({in.bytes(e.length), e.length}));
      continue;
    }
    std::vector<std::byte> body;
    try {
      body = blocks_[e.length].take_body();
    } catch (const std::exception& broken) {
      trouble why;
      why.where = stage::write_result;
      why.worker = e.worker;
      why.text = std::string("its result could not be read from the worker: ") + broken.what();
      to.lost(e.item, e.attempt, why);
      continue;
    }
    blocks_[e.length] = {};
    to.returned(e.item, e.attempt, e.worker, e.ok, v, reader(body));
  }
  for (const loss& l : losses_) {
    for (index k = 0; k < l.count; ++k) to.lost(l.item + k, l.attempt, *l.why);
  }
  bytes_.clear();
  blocks_.clear();
  losses_.clear();
}

}  // namespace centimane::engine
