// What a run gives. Values lie dense, in the order of the input, written in place by whoever made them; failures are a
// short list beside them.
//
//   for (auto& [index, value] : result.successes()) save(inputs[index], value);
//   for (auto& [index, error] : result.failures())  log(index, error.what());
//   for (auto& value : result) use(value);          // throws one exception_group if any item failed
//   for (auto& item : result.item_results())        // every item with its attempts and its worker
//     if (item.attempts > 1) note(item.index, item.worker);
//
// On a temporary the accessors give vectors of their own, so `parallel_map(…).values()` may be kept.
// Thread safety: as a standard container. Cost: O(1) an access; no copy of any value.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "centimane/detail/cells.hpp"
#include "centimane/detail/provenance.hpp"
#include "centimane/errors.hpp"
#include "centimane/insights.hpp"

namespace centimane {
inline namespace v0 {

/// How a run ended: with every item settled; by a stop token or a callback's wish; at its timeout; at max_errors.
enum class run_status : std::uint8_t { completed, stopped, timed_out, aborted };

template <class R>
struct success {
  std::size_t index;
  R& value;
};
template <>
struct success<void> {
  std::size_t index;
};
template <>
struct success<const void> {
  std::size_t index;
};

/// One item's outcome, as on_result, parallel_iter and parallel_result::item_results() show it. One of value, error is
/// set.
template <class R>
struct item_result {
  std::size_t index;
  R* value;                                ///< null if the item failed
  const any_error* error;                  ///< null if it did not
  unsigned attempts;                       ///< how many were made; 0: none, or the value came out of a checkpoint
  int worker;                              ///< dense index of the worker that made the last one; -1 if none did
  std::string_view key = {};               ///< what item_key said of the item, as text; valid as long as this
  std::chrono::nanoseconds duration = {};  ///< the last attempt's, in the function; 0 unless the run took times
                                           ///< (`.insights`, `.trace`, `.on_event`)
  [[nodiscard]] bool ok() const noexcept { return error == nullptr; }
};
template <>
struct item_result<void> {
  std::size_t index;
  const any_error* error;
  unsigned attempts;
  int worker;
  std::string_view key = {};
  std::chrono::nanoseconds duration = {};
  [[nodiscard]] bool ok() const noexcept { return error == nullptr; }
};

namespace detail {
[[noreturn]] void throw_group(std::size_t size, run_status status, const std::vector<failure>& failures);
}

/// Sized input range of success<R>&, O(1) memory; valid as long as the result it looks into.
template <class R>
class success_view {
 public:
  class iterator {
   public:
    using value_type = success<R>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() noexcept = default;
    iterator(const iterator& other) noexcept : view_(other.view_), at_(other.at_), failed_(other.failed_) {}
    iterator& operator=(const iterator& other) noexcept {  // NOLINT(bugprone-unhandled-self-assignment): harmless
      view_ = other.view_;
      at_ = other.at_;
      failed_ = other.failed_;
      return *this;
    }
    /// A pair that lives until the iterator moves on.
    success<R>& operator*() const {
      if constexpr (std::is_void_v<R>) {
        return now_.emplace(success<R>{at_});
      } else {
        return now_.emplace(success<R>{at_, view_->values_[at_]});
      }
    }
    iterator& operator++() {
      ++at_;
      skip();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_end(); }

   private:
    friend class success_view;
    explicit iterator(const success_view* view) noexcept : view_(view) { skip(); }
    [[nodiscard]] bool at_end() const noexcept { return at_ == view_->size_; }
    void skip() noexcept {
      while (failed_ < view_->failures_.size() && view_->failures_[failed_].index == at_) {
        ++failed_;
        ++at_;
      }
    }
    const success_view* view_ = nullptr;
    std::size_t at_ = 0, failed_ = 0;
    mutable std::optional<success<R>> now_;
  };

  success_view(R* values, std::size_t size, std::span<const failure> failures) noexcept
      : values_(values), size_(size), failures_(failures) {}
  [[nodiscard]] iterator begin() const noexcept { return iterator(this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_ - failures_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  R* values_;
  std::size_t size_;
  std::span<const failure> failures_;
};

/// Sized input range of item_result<R>&, O(1) memory; valid as long as the result it looks into.
template <class R>
class item_result_view {
  using outcome = item_result<std::conditional_t<std::is_void_v<R>, void, R>>;

  /// What is looked into. Iterators have it by value: they outlive the view.
  struct table {
    [[nodiscard]] bool fails(std::size_t at, std::size_t failed) const noexcept {
      return failed < failures.size() && failures[failed].index == at;
    }
    [[nodiscard]] std::uint64_t end_of(std::size_t row) const noexcept {
      return from->rows()[row].first + from->rows()[row].count;
    }
    [[nodiscard]] outcome look(std::size_t at, std::size_t failed, std::size_t row) const {
      const any_error* error = fails(at, failed) ? &failures[failed].error : nullptr;
      const auto& rows = from->rows();
      const bool begun = row < rows.size() && rows[row].first <= at;
      const unsigned attempts = begun ? rows[row].attempts : 0;
      const int worker = begun ? rows[row].worker : -1;
      if constexpr (std::is_void_v<R>) {
        return {at, error, attempts, worker, from->key_of(at), from->time_of(at)};
      } else {
        return {
            at, error == nullptr ? values + at : nullptr, error, attempts, worker, from->key_of(at), from->time_of(at)};
      }
    }

    R* values = nullptr;
    std::size_t size = 0;
    std::span<const failure> failures = {};
    const detail::provenance* from = nullptr;
  };

 public:
  class iterator {
   public:
    using value_type = outcome;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() noexcept = default;
    iterator(const iterator& other) noexcept
        : in_(other.in_), at_(other.at_), failed_(other.failed_), row_(other.row_) {}
    iterator& operator=(const iterator& other) noexcept {  // NOLINT(bugprone-unhandled-self-assignment): harmless
      in_ = other.in_;
      at_ = other.at_;
      failed_ = other.failed_;
      row_ = other.row_;
      return *this;
    }
    /// Lives until the iterator moves on.
    outcome& operator*() const { return now_.emplace(in_.look(at_, failed_, row_)); }
    outcome* operator->() const { return &**this; }
    iterator& operator++() {
      if (in_.fails(at_, failed_)) ++failed_;
      ++at_;
      while (row_ < in_.from->rows().size() && in_.end_of(row_) <= at_) ++row_;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_end(); }

   private:
    friend class item_result_view;
    explicit iterator(const table& in) noexcept : in_(in) {}
    [[nodiscard]] bool at_end() const noexcept { return at_ == in_.size; }
    table in_;
    std::size_t at_ = 0, failed_ = 0, row_ = 0;
    mutable std::optional<outcome> now_;
  };

  item_result_view(R* values, std::size_t size, std::span<const failure> failures,
                   const detail::provenance& from) noexcept
      : in_{values, size, failures, &from} {}
  [[nodiscard]] iterator begin() const noexcept { return iterator(in_); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  [[nodiscard]] std::size_t size() const noexcept { return in_.size; }
  [[nodiscard]] bool empty() const noexcept { return in_.size == 0; }

 private:
  table in_;
};

namespace detail {

/// What results of all types have in common.
class result_base {
 public:
  /// Every item ended in a value, and the run was not cut short.
  [[nodiscard]] bool ok() const noexcept { return status_ == run_status::completed && failures_.empty(); }
  [[nodiscard]] run_status status() const noexcept { return status_; }
  /// The number of items known: all of a sized input, else what was read of it.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// In index order. Items that a truncated run did not begin are among them, as cancelled, timed_out or aborted.
  [[nodiscard]] const std::vector<failure>& failures() const& noexcept { return failures_; }
  [[nodiscard]] std::vector<failure> failures() && { return std::move(failures_); }
  /// Where the run's time went: times are there if `.insights` asked for them. See insights.hpp.
  [[nodiscard]] const centimane::insights& insights() const noexcept { return insights_; }
  /// Throws exception_group unless ok().
  void raise_on_failure() const {
    if (!ok()) throw_group(size_, status_, failures_);
  }

 protected:
  result_base() noexcept = default;
  result_base(std::size_t size, run_status status, std::vector<failure> failures) noexcept
      : size_(size), status_(status), failures_(std::move(failures)) {}
  result_base(result_base&& other) noexcept
      : size_(std::exchange(other.size_, 0)),
        status_(other.status_),
        failures_(std::move(other.failures_)),
        insights_(std::move(other.insights_)),
        provenance_(std::move(other.provenance_)) {}
  result_base& operator=(result_base&&) = delete;

  std::size_t size_ = 0;
  run_status status_ = run_status::completed;
  std::vector<failure> failures_;
  centimane::insights insights_;
  provenance provenance_;

 public:
  /// For runs.
  void describe(centimane::insights&& what) noexcept { insights_ = std::move(what); }
  void describe(provenance&& what) noexcept { provenance_ = std::move(what); }
};

}  // namespace detail

/// Move-only.
template <class R>
class [[nodiscard]] parallel_result : public detail::result_base {
 public:
  parallel_result(parallel_result&& other) noexcept
      : result_base(std::move(other)), values_(std::move(other.values_)) {}
  parallel_result& operator=(parallel_result&& other) noexcept {
    if (this != &other) {
      std::destroy_at(this);
      std::construct_at(this, std::move(other));
    }
    return *this;
  }
  ~parallel_result() {
    if constexpr (!std::is_trivially_destructible_v<R>) {
      std::size_t failed = 0;
      for (std::size_t i = 0; values_.data() != nullptr && i < size_; ++i) {
        if (failed < failures_.size() && failures_[failed].index == i) {
          ++failed;
        } else {
          std::destroy_at(values_.data() + i);
        }
      }
    }
  }

  /// All values, in input order; throws exception_group unless ok().
  [[nodiscard]] std::span<R> values() & {
    raise_on_failure();
    return {values_.data(), size_};
  }
  [[nodiscard]] std::span<const R> values() const& {
    raise_on_failure();
    return {values_.data(), size_};
  }
  [[nodiscard]] std::vector<R> values() && {
    raise_on_failure();
    std::vector<R> own;
    own.reserve(size_);
    for (std::size_t i = 0; i < size_; ++i) own.push_back(std::move(values_.data()[i]));
    return own;
  }
  /// Those that ended in a value, whatever became of the others.
  [[nodiscard]] success_view<R> successes() & noexcept { return {values_.data(), size_, failures_}; }
  [[nodiscard]] success_view<const R> successes() const& noexcept { return {values_.data(), size_, failures_}; }
  [[nodiscard]] std::vector<std::pair<std::size_t, R>> successes() && {
    std::vector<std::pair<std::size_t, R>> own;
    own.reserve(size_ - failures_.size());
    std::size_t failed = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (failed < failures_.size() && failures_[failed].index == i) {
        ++failed;
      } else {
        own.emplace_back(i, std::move(values_.data()[i]));
      }
    }
    return own;
  }
  /// Every item with its outcome, its attempts and its worker, in input order.
  [[nodiscard]] item_result_view<R> item_results() & noexcept {
    return {values_.data(), size_, failures_, provenance_};
  }
  [[nodiscard]] item_result_view<const R> item_results() const& noexcept {
    return {values_.data(), size_, failures_, provenance_};
  }
  void item_results() && = delete;  ///< it looks into the result: keep that

  /// Iteration over values; throws exception_group unless ok().
  [[nodiscard]] R* begin() {
    raise_on_failure();
    return values_.data();
  }
  [[nodiscard]] R* end() { return values_.data() + size_; }
  [[nodiscard]] const R* begin() const {
    raise_on_failure();
    return values_.data();
  }
  [[nodiscard]] const R* end() const { return values_.data() + size_; }

  /// For runs: takes over values that are in place wherever no failure says otherwise.
  parallel_result(detail::cells<R> values, std::size_t size, run_status status, std::vector<failure> failures) noexcept
      : result_base(size, status, std::move(failures)), values_(std::move(values)) {}

 private:
  detail::cells<R> values_;
};

template <>
class [[nodiscard]] parallel_result<void> : public detail::result_base {
 public:
  parallel_result(parallel_result&&) noexcept = default;
  parallel_result& operator=(parallel_result&& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    status_ = other.status_;
    failures_ = std::move(other.failures_);
    insights_ = std::move(other.insights_);
    provenance_ = std::move(other.provenance_);
    return *this;
  }
  [[nodiscard]] success_view<void> successes() const& noexcept { return {nullptr, size_, failures_}; }
  [[nodiscard]] item_result_view<void> item_results() const& noexcept {
    return {nullptr, size_, failures_, provenance_};
  }
  void item_results() && = delete;

  parallel_result(std::size_t size, run_status status, std::vector<failure> failures) noexcept
      : result_base(size, status, std::move(failures)) {}
};

}  // namespace v0
}  // namespace centimane
