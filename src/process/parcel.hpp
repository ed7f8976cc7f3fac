// The encoded tasks of a stretch of one run, kept by the driver until each has an outcome. A channel holds only copies,
// so a channel whose worker died is thrown away whole, and what had not begun is sent again from here, by any thread
// and without the face.
//
// Tasks lie here as they lie in a ring (channel_layout.hpp), so that a bundle is sent by one memcpy.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "centimane/bytes.hpp"
#include "centimane/detail/words.hpp"
#include "process/cargo.hpp"
#include "process/channel.hpp"

namespace centimane::engine {

class parcel {
 public:
  parcel(policy::index first, std::uint32_t attempt, std::uint64_t definition, std::shared_ptr<memory::arena> arena)
      : first_(first), attempt_(attempt), definition_(definition), cargo_(std::move(arena)) {
    out_.attach(&cargo_);
  }

  // ---- filling it: begin(), write the item's bytes to out(), then add() or drop()
  void begin() {
    begun_ = out_.size();
    out_.extend(sizeof(std::uint32_t));
  }
  [[nodiscard]] writer& out() noexcept { return out_; }
  /// Throws what arena::write throws, if the item's own bytes are too many for a ring.
  void add() {
    const std::size_t body = begun_ + sizeof(std::uint32_t);
    std::size_t length = out_.size() - body;
    std::uint32_t word = static_cast<std::uint32_t>(length);
    if (length > channel::largest || cargo_.pending()) {
      length = load(body);
      word = static_cast<std::uint32_t>(length) | layout::block_bit;
    }
    std::memcpy(out_.data() + begun_, &word, sizeof word);
    out_.extend(layout::task_record(length) - sizeof word - length);
    ends_.push_back(static_cast<std::uint32_t>(out_.size()));
  }
  void drop() noexcept {
    out_.truncate(begun_);
    cargo_.drop();
  }

  /// Tasks [item, item + n), as channel::append takes them.
  [[nodiscard]] task_run tasks(policy::index item, policy::index n) const noexcept {
    const auto k = static_cast<std::size_t>(item - first_);
    return {out_.data(), k == 0 ? 0 : ends_[k - 1], std::span(ends_).subspan(k, static_cast<std::size_t>(n))};
  }
  /// The first item from `item` on that has something large, or null.
  [[nodiscard]] const cargo::load* next_load(policy::index item) const noexcept { return cargo_.next(item); }
  [[nodiscard]] bool heavy() const noexcept { return !cargo_.empty(); }
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
  /// Puts the table of the item's blocks in front of its bytes, or of nothing if they go to a block as well.
  std::size_t load(std::size_t body) {
    std::span<const std::byte> own = out_.view().subspan(body);
    if (own.size() + cargo::largest_table > channel::largest) {
      cargo_.set_apart(own);
      own = {};
    }
    const std::vector<std::byte> kept(own.begin(), own.end());
    out_.truncate(body);
    cargo_.add(first_ + ends_.size(), out_);
    out_.bytes(kept.data(), kept.size());
    return out_.size() - body;
  }
  policy::index first_, settled_ = 0;
  std::uint32_t attempt_;
  std::uint64_t definition_;
  std::uint32_t definitions_ = 0;
  writer out_;
  std::size_t begun_ = 0;
  std::vector<std::uint32_t> ends_;
  cargo cargo_;
};

}  // namespace centimane::engine
