// The encoded tasks of a stretch of one run, kept by the driver until each has an outcome. A channel holds only copies,
// so a channel whose worker died is thrown away whole, and what had not begun is sent again from here, by any thread
// and without the face.
#pragma once
#include <cstdint>
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

  /// Adds the next item; its bytes have just been written to out() from `begin` on.
  void add(std::size_t begin) {
    if (out_.size() - begin > channel::largest) set_aside(begin);
    ends_.push_back(out_.size());
  }
  [[nodiscard]] writer& out() noexcept { return out_; }
  [[nodiscard]] std::span<const std::byte> body(policy::index item) const noexcept {
    const std::size_t k = static_cast<std::size_t>(item - first_);
    const std::size_t begin = k == 0 ? 0 : ends_[k - 1];
    return {out_.data() + begin, ends_[k] - begin};
  }
  /// The block of an item too large for a ring, or null.
  [[nodiscard]] std::shared_ptr<const control_body> block(policy::index item) const {
    for (const auto& [which, body] : blocks_) {
      if (which == item) return body;
    }
    return nullptr;
  }
  [[nodiscard]] bool has_blocks() const noexcept { return !blocks_.empty(); }
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
  void set_aside(std::size_t begin) {
    blocks_.emplace_back(first_ + ends_.size(), std::make_shared<const control_body>(out_.view().subspan(begin)));
    out_.truncate(begin);
  }
  policy::index first_, settled_ = 0;
  std::uint32_t attempt_;
  std::uint64_t definition_;
  std::uint32_t definitions_ = 0;
  writer out_;
  std::vector<std::size_t> ends_;
  std::vector<std::pair<policy::index, std::shared_ptr<const control_body>>> blocks_;
};

}  // namespace centimane::engine
