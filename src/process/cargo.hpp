// What is large in the tasks of one parcel: the annex that a face's encode writes to. Blocks stay leased until the
// parcel goes, so a task that is sent again needs no second copy.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "centimane/detail/words.hpp"
#include "memory/arena.hpp"
#include "process/freight.hpp"

namespace centimane::engine {

class cargo final : public annex {
 public:
  explicit cargo(std::shared_ptr<memory::arena> from) : arena_(std::move(from)) {}

  /// One task's.
  struct load {
    policy::index item = 0;
    std::vector<std::shared_ptr<const memory::argument>> blocks;
    bool apart = false;
  };
  static constexpr std::size_t largest_table = sizeof(freight_head) + (most_blocks + 1) * sizeof(lent_block);

  std::uint32_t put(std::span<const part> parts) override {
    if (present_.blocks.size() == most_blocks) return none;
    present_.blocks.push_back(arena_->write(parts));
    return static_cast<std::uint32_t>(present_.blocks.size() - 1);
  }
  /// Has the task that is being written anything here?
  [[nodiscard]] bool pending() const noexcept { return !present_.blocks.empty(); }
  /// It cannot be written after all.
  void drop() noexcept override { present_ = {}; }
  /// Its own bytes are too many as well: they become block 0.
  void set_apart(std::span<const std::byte> bytes) {
    const part whole = bytes;
    present_.blocks.insert(present_.blocks.begin(), arena_->write({&whole, 1}));
    present_.apart = true;
  }
  /// The task is written: its table goes to `out`.
  void add(policy::index item, writer& out) {
    present_.item = item;
    out.raw(freight_head{static_cast<std::uint32_t>(present_.blocks.size()), present_.apart ? freight_apart : 0U});
    for (const auto& block : present_.blocks) {
      const memory::place& at = block->where();
      out.raw(lent_block{block->number(), at.offset, block->length(), at.segment, 0});
    }
    loads_.push_back(std::exchange(present_, {}));
  }

  [[nodiscard]] bool empty() const noexcept { return loads_.empty(); }
  /// The first task from `item` on that has something here, or null.
  [[nodiscard]] const load* next(policy::index item) const noexcept {
    for (const load& l : loads_) {
      if (l.item >= item) return &l;
    }
    return nullptr;
  }

 private:
  std::shared_ptr<memory::arena> arena_;
  load present_;
  std::vector<load> loads_;
};

}  // namespace centimane::engine
