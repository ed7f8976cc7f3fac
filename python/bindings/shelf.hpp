// Where a run keeps its items and outcomes: by index, in blocks of a thousand, each freed as soon as a stream's
// consumer has taken all of it. So a stream of any length costs what its window costs, plus 8 bytes a thousand items
// behind a straggler.
//
// An outcome is one pointer whose lowest bit tells an error from a value. Indices mostly come one behind the other, so
// the block looked at last is kept at hand. Everything here needs the GIL, which is also what makes it safe to use from
// many hands.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "object.hpp"
#include "platform/pages.hpp"

namespace centimane::python {

class shelf {
 public:
  static constexpr std::uint64_t block_size = 1024;

  shelf() = default;
  shelf(const shelf&) = delete;
  shelf& operator=(const shelf&) = delete;
  ~shelf() { clear(); }

  // ---- items that were pulled from a source
  void put_item(std::uint64_t i, ref item) {
    block& b = at(i);
    if (!b.items) b.items = std::make_unique<item_table>();
    b.items->at[i % block_size] = item.release();
  }
  /// Borrowed; null if it is not here (any more).
  [[nodiscard]] PyObject* item(std::uint64_t i) const noexcept {
    const block* b = find(i);
    return b == nullptr || !b->items ? nullptr : b->items->at[i % block_size];
  }
  /// No attempt will need it again.
  void drop_item(std::uint64_t i) noexcept {
    if (block* b = find(i)) b->drop_item(i);
  }

  // ---- outcomes: the last one put stands
  void put_value(std::uint64_t i, ref value, float seconds) {
    put(i, reinterpret_cast<std::uintptr_t>(value.release()), seconds);
  }
  void put_error(std::uint64_t i, ref error, float seconds) {
    put(i, reinterpret_cast<std::uintptr_t>(error.release()) | 1U, seconds);
  }
  struct outcome {
    PyObject* what = nullptr;  ///< borrowed; null: none yet
    bool ok = false;
    float seconds = 0;
  };
  [[nodiscard]] outcome get(std::uint64_t i) const noexcept {
    const block* b = find(i);
    return b == nullptr ? outcome{} : b->get(i);
  }
  /// Hands the outcome over; the index is not used again.
  [[nodiscard]] outcome take(std::uint64_t i) noexcept {
    outcome o = get(i);
    if (block* b = find(i)) {
      b->table->outcomes[i % block_size] = 0;
      b->drop_item(i);
      if (++b->taken == block_size) forget(i / block_size);
    }
    return o;
  }
  /// Hands over the outcomes of [0, n), of which none was taken: each(i, outcome) owns what it gets. The shelf is empty
  /// afterwards. False from `each` ends it.
  template <class Each>
  bool take_all(std::uint64_t n, Each each) {
    for (std::uint64_t i = 0; i < n;) {
      std::unique_ptr<block> b;
      if (!blocks_.empty()) {
        b = std::move(blocks_.front());
        pop_front();
      }
      for (const std::uint64_t end = std::min(n, i + block_size); i < end; ++i) {
        const outcome o = b ? b->get(i) : outcome{};
        if (b) b->table->outcomes[i % block_size] = 0;
        if (!each(i, o)) return false;
      }
    }
    return true;
  }
  void clear() noexcept {
    near_ = nullptr;
    while (!blocks_.empty()) {
      std::unique_ptr<block> last =
          std::move(blocks_.back());  // an object's end may run user code, which may look in here
      blocks_.pop_back();
    }
  }

 private:
  /// Tables are whole pages and go back to the kernel one by one: while a list of all outcomes is made of them, the
  /// process does not hold both, and nothing of a large run stays behind in the heap. One is kept for the next run.
  template <class Table>
  struct in_pages {
    static void* operator new(std::size_t size) {
      return spare != nullptr ? std::exchange(spare, nullptr) : platform::take_pages(size);
    }
    static void operator delete(void* at) noexcept {
      if (spare == nullptr) {
        spare = at;
      } else {
        platform::return_pages(at, sizeof(Table));
      }
    }
    static inline void* spare = nullptr;
  };
  struct item_table : in_pages<item_table> {
    PyObject* at[block_size] = {};
  };
  struct outcome_table : in_pages<outcome_table> {
    std::uintptr_t outcomes[block_size] = {};
    float seconds[block_size] = {};
  };
  struct block {
    std::unique_ptr<item_table> items;  ///< none if the source is looked up by index
    std::unique_ptr<outcome_table> table = std::make_unique<outcome_table>();
    std::uint64_t taken = 0;
    ~block() {
      if (items) {
        for (PyObject* item : items->at) Py_XDECREF(item);
      }
      for (std::uintptr_t bits : table->outcomes) Py_XDECREF(reinterpret_cast<PyObject*>(bits & ~std::uintptr_t{1}));
    }
    void drop_item(std::uint64_t i) noexcept {
      if (items) Py_CLEAR(items->at[i % block_size]);
    }
    [[nodiscard]] outcome get(std::uint64_t i) const noexcept {
      const std::uintptr_t bits = table->outcomes[i % block_size];
      return {reinterpret_cast<PyObject*>(bits & ~std::uintptr_t{1}), (bits & 1U) == 0,
              bits == 0 ? 0 : table->seconds[i % block_size]};
    }
  };
  [[nodiscard]] block* find(std::uint64_t i) const noexcept {
    const std::uint64_t number = i / block_size;
    if (near_ != nullptr && number == near_number_) return near_;
    if (number < base_ || number - base_ >= blocks_.size()) return nullptr;
    near_number_ = number;
    return near_ = blocks_[number - base_].get();
  }
  block& at(std::uint64_t i) {
    if (block* there = find(i)) return *there;
    const std::uint64_t number = i / block_size - base_;
    while (blocks_.size() <= number) blocks_.emplace_back();
    blocks_[number] = std::make_unique<block>();
    return *blocks_[number];
  }
  void put(std::uint64_t i, std::uintptr_t bits, float seconds) {
    block& b = at(i);
    std::uintptr_t before = std::exchange(b.table->outcomes[i % block_size], bits);
    b.table->seconds[i % block_size] = seconds;
    Py_XDECREF(reinterpret_cast<PyObject*>(before & ~std::uintptr_t{1}));
  }
  void forget(std::uint64_t number) noexcept {
    near_ = nullptr;
    blocks_[number - base_].reset();
    while (!blocks_.empty() && !blocks_.front()) pop_front();
  }
  void pop_front() noexcept {
    near_ = nullptr;
    blocks_.pop_front();
    ++base_;
  }
  std::deque<std::unique_ptr<block>> blocks_;
  std::uint64_t base_ = 0;  ///< number of the first block in blocks_
  mutable block* near_ = nullptr;
  mutable std::uint64_t near_number_ = 0;
};

}  // namespace centimane::python
