// A set of states, each told by 64 bits of hash. Among ten million states, two of one hash have a chance of 3 in a
// million.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace centimane::model {

class visited {
 public:
  /// True if it is new.
  bool insert(std::uint64_t state) {
    if (state == 0) state = 1;  // 0 marks what is free
    if (2 * count_ >= places_.size()) {
      std::vector<std::uint64_t> old(places_.size() * 2);
      old.swap(places_);
      for (const std::uint64_t s : old) {
        if (s != 0) place(s) = s;
      }
    }
    std::uint64_t& at = place(state);
    if (at == state) return false;
    at = state;
    ++count_;
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  std::uint64_t& place(std::uint64_t state) {
    std::size_t k = state & (places_.size() - 1);
    while (places_[k] != 0 && places_[k] != state) k = (k + 1) & (places_.size() - 1);
    return places_[k];
  }
  std::vector<std::uint64_t> places_ = std::vector<std::uint64_t>(1024);
  std::size_t count_ = 0;
};

}  // namespace centimane::model
