// The encoded tasks of a stretch of one run, kept by the driver until each has an outcome. A channel holds only copies,
// so a channel whose worker died is thrown away whole, and what had not begun is sent again from here, by any thread
// and without the face.
//
// Tasks lie here as they lie in a ring (channel_layout.hpp), so that a bundle is sent by one memcpy.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "centimane/bytes.hpp"
#include "centimane/detail/words.hpp"
#include "process/channel.hpp"
#include "process/control.hpp"

namespace centimane::engine {

class parcel {
 public:
  parcel(policy::index first, std::uint32_t attempt, std::uint64_t definition)
      : first_(first), attempt_(attempt), definition_(definition) {}

  // ---- filling it: begin(), write the item's bytes to out(), then add() or drop()
  void begin() {
    begun_ = out_.size();
    out_.extend(sizeof(std::uint32_t));
  }
  [[nodiscard]] writer& out() noexcept { return out_; }
  void add() {
    const std::size_t body = begun_ + sizeof(std::uint32_t);
    std::size_t length = out_.size() - body;
    std::uint32_t word = static_cast<std::uint32_t>(length);
    if (length > channel::largest) {
      length = set_aside(body);
      word = static_cast<std::uint32_t>(length) | layout::block_bit;
    }
    std::memcpy(out_.data() + begun_, &word, sizeof word);
    out_.extend(layout::task_record(length) - sizeof word - length);
    ends_.push_back(static_cast<std::uint32_t>(out_.size()));
  }
  void drop() noexcept { out_.truncate(begun_); }

  /// Tasks [item, item + n), as channel::append takes them.
  [[nodiscard]] task_run tasks(policy::index item, policy::index n) const noexcept {
    const auto k = static_cast<std::size_t>(item - first_);
    return {out_.data(), k == 0 ? 0 : ends_[k - 1], std::span(ends_).subspan(k, static_cast<std::size_t>(n))};
  }
  struct block {
    policy::index item;
    std::uint64_t token;  ///< what the task's record says instead of its bytes
    std::shared_ptr<const control_body> body;
  };
  /// The first item from `item` on that is too large for a ring, or null.
  [[nodiscard]] const block* next_block(policy::index item) const noexcept {
    for (const block& b : blocks_) {
      if (b.item >= item) return &b;
    }
    return nullptr;
  }
  [[nodiscard]] policy::index first() const noexcept { return first_; }
  [[nodiscard]] policy::index count() const noexcept { return ends_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return out_.size(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }
  [[nodiscard]] std::uint64_t definition() const noexcept { return definition_; }
  void need(std::uint32_t definitions) noexcept { definitions_ = definitions; }
  /// How many of its run's definitions a worker must know before it begins one of these.
  [[nodiscard]] std::uint32_t definitions() const noexcept { return definitions_; }
  /// n more items have their outcome; true if that were the last.
  bool settle(policy::index n) noexcept { return (settled_ += n) == ends_.size(); }

 private:
  std::size_t set_aside(std::size_t body) {
    static std::atomic<std::uint64_t> next_token{1};
    const std::uint64_t token = next_token.fetch_add(1, std::memory_order_relaxed);
    blocks_.push_back({first_ + ends_.size(), token, std::make_shared<const control_body>(out_.view().subspan(body))});
    out_.truncate(body);
    out_.raw(token);
    return sizeof token;
  }
  policy::index first_, settled_ = 0;
  std::uint32_t attempt_;
  std::uint64_t definition_;
  std::uint32_t definitions_ = 0;
  writer out_;
  std::size_t begun_ = 0;
  std::vector<std::uint32_t> ends_;
  std::vector<block> blocks_;
};

}  // namespace centimane::engine
