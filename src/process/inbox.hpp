// What came back for one run: results as the workers wrote them and the engine's own accounts of what did not come
// back. Filled under the pool's lock by whoever drains, emptied in one piece by the run's driver, who decodes without
// any lock.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "centimane/bytes.hpp"
#include "centimane/detail/payload.hpp"
#include "process/control.hpp"
#include "run/port.hpp"

namespace centimane::engine {

class inbox {
 public:
  void result(index item, std::uint32_t attempt, int worker, bool ok, verdict v, std::span<const std::byte> body) {
    entry e{item, v.server_wait, attempt, worker, static_cast<std::uint32_t>(body.size()), kind::body, ok, v.retryable};
    bytes_.raw(e);
    bytes_.bytes(body.data(), body.size());
  }
  void block(index item, std::uint32_t attempt, int worker, bool ok, verdict v, control_message&& message) {
    entry e{item, v.server_wait, attempt, worker, static_cast<std::uint32_t>(blocks_.size()), kind::block,
            ok,   v.retryable};
    blocks_.push_back(std::move(message));
    bytes_.raw(e);
  }
  void lost(index item, index count, std::uint32_t attempt, std::shared_ptr<const trouble> why) {
    losses_.push_back({item, count, attempt, std::move(why)});
  }
  [[nodiscard]] bool empty() const noexcept { return bytes_.size() == 0 && losses_.empty(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }

  /// Tells everything to `to`, then forgets it.
  void tell(events& to);

 private:
  enum class kind : std::uint8_t { body, block };
  struct entry {
    index item;
    nanos server_wait;
    std::uint32_t attempt;
    std::int32_t worker;
    std::uint32_t length;  ///< of the body that follows, or which block
    kind what;
    bool ok, retryable;
  };
  struct loss {
    index item, count;
    std::uint32_t attempt;
    std::shared_ptr<const trouble> why;
  };
  writer bytes_;
  std::vector<control_message> blocks_;
  std::vector<loss> losses_;
};

}  // namespace centimane::engine
