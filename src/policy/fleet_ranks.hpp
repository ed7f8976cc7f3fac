// Workers by load: which one holds least, which one most. Loads are told apart by their power of two (0, 1, 2-3, 4-7,
// …), which keeps every question O(1) and is fine enough: what matters is who holds nothing and who holds much. Within
// a rank, who came first is served first.
#pragma once
#include <array>
#include <bit>
#include <vector>

#include "policy/fleet.hpp"

namespace centimane::policy {

class ranks {
 public:
  explicit ranks(worker places) : links_(places) {
    first_.fill(fleet::nobody);
    last_.fill(fleet::nobody);
  }

  /// Files w under its load; keeps its turn if it is filed there already.
  void file(worker w, index load) {
    const auto rank = static_cast<std::uint8_t>(std::bit_width(load));
    if (links_[w].rank == rank) return;
    remove(w);
    link& l = links_[w];
    l.rank = rank;
    l.before = last_[rank];
    l.after = fleet::nobody;
    (l.before == fleet::nobody ? first_[rank] : links_[l.before].after) = w;
    last_[rank] = w;
    used_ |= 1U << rank;
    if (rank == 0) ++free_;
  }

  void remove(worker w) {
    link& l = links_[w];
    if (l.rank == unfiled) return;
    (l.before == fleet::nobody ? first_[l.rank] : links_[l.before].after) = l.after;
    (l.after == fleet::nobody ? last_[l.rank] : links_[l.after].before) = l.before;
    if (first_[l.rank] == fleet::nobody) used_ &= ~(1U << l.rank);
    if (l.rank == 0) --free_;
    l.rank = unfiled;
  }

  [[nodiscard]] worker least() const {
    return used_ == 0 ? fleet::nobody : first_[static_cast<unsigned>(std::countr_zero(used_))];
  }
  [[nodiscard]] worker most() const {
    return used_ == 0 ? fleet::nobody : first_[31U - static_cast<unsigned>(std::countl_zero(used_))];
  }
  [[nodiscard]] worker free() const { return free_; }  ///< how many hold nothing

 private:
  static constexpr std::uint8_t unfiled = UINT8_MAX;
  struct link {
    worker before = fleet::nobody, after = fleet::nobody;
    std::uint8_t rank = unfiled;
  };
  std::vector<link> links_;
  std::array<worker, 32> first_, last_;
  std::uint32_t used_ = 0;  // bit r: somebody is in rank r
  worker free_ = 0;
};

}  // namespace centimane::policy
