// Where a run keeps its items and outcomes: by index, in blocks of a thousand, each freed as soon as a stream's
// consumer has taken all of it. So a stream of any length costs what its window costs, plus 8 bytes a thousand items
// behind a straggler.
//
// An outcome is one pointer whose lowest bit tells an error from a value. Everything here needs the GIL, which is also
// what makes it safe to use from many hands.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>

#include "object.hpp"

namespace centimane::python {

class shelf {
 public:
  static constexpr std::uint64_t block_size = 1024;

  shelf() = default;
  shelf(const shelf&) = delete;
  shelf& operator=(const shelf&) = delete;
  ~shelf() { clear(); }

  // ---- items that were pulled from a source
  void put_item(std::uint64_t i, ref item) { at(i).items[i % block_size] = item.release(); }
  /// Borrowed; null if it is not here (any more).
  [[nodiscard]] PyObject* item(std::uint64_t i) const noexcept {
    const block* b = find(i);
    return b == nullptr ? nullptr : b->items[i % block_size];
  }
  /// No attempt will need it again.
  void drop_item(std::uint64_t i) noexcept {
    if (block* b = find(i)) Py_CLEAR(b->items[i % block_size]);
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
    if (b == nullptr) return {};
    std::uintptr_t bits = b->outcomes[i % block_size];
    return {reinterpret_cast<PyObject*>(bits & ~std::uintptr_t{1}), (bits & 1U) == 0, b->seconds[i % block_size]};
  }
  /// Hands the outcome over; the index is not used again.
  [[nodiscard]] outcome take(std::uint64_t i) noexcept {
    outcome o = get(i);
    if (block* b = find(i)) {
      b->outcomes[i % block_size] = 0;
      Py_CLEAR(b->items[i % block_size]);
      if (++b->taken == block_size) forget(i / block_size);
    }
    return o;
  }
  void clear() noexcept {
    while (!blocks_.empty()) {
      std::unique_ptr<block> last =
          std::move(blocks_.back());  // an object's end may run user code, which may look in here
      blocks_.pop_back();
    }
  }

 private:
  struct block {
    PyObject* items[block_size] = {};
    std::uintptr_t outcomes[block_size] = {};
    float seconds[block_size] = {};
    std::uint64_t taken = 0;
    ~block() {
      for (PyObject* item : items) Py_XDECREF(item);
      for (std::uintptr_t bits : outcomes) Py_XDECREF(reinterpret_cast<PyObject*>(bits & ~std::uintptr_t{1}));
    }
  };
  [[nodiscard]] block* find(std::uint64_t i) const noexcept {
    std::uint64_t number = i / block_size;
    if (number < base_ || number - base_ >= blocks_.size()) return nullptr;
    return blocks_[number - base_].get();
  }
  block& at(std::uint64_t i) {
    std::uint64_t number = i / block_size - base_;
    while (blocks_.size() <= number) blocks_.emplace_back();
    if (!blocks_[number]) blocks_[number] = std::make_unique<block>();
    return *blocks_[number];
  }
  void put(std::uint64_t i, std::uintptr_t bits, float seconds) {
    block& b = at(i);
    std::uintptr_t before = std::exchange(b.outcomes[i % block_size], bits);
    b.seconds[i % block_size] = seconds;
    Py_XDECREF(reinterpret_cast<PyObject*>(before & ~std::uintptr_t{1}));
  }
  void forget(std::uint64_t number) noexcept {
    blocks_[number - base_].reset();
    while (!blocks_.empty() && !blocks_.front()) {
      blocks_.pop_front();
      ++base_;
    }
  }
  std::deque<std::unique_ptr<block>> blocks_;
  std::uint64_t base_ = 0;  ///< number of the first block in blocks_
};

}  // namespace centimane::python
