// What every C++ run keeps, whatever its types: errors by item, counts, callbacks' exceptions, and the words between
// engine and face.
//
// Thread safety: keep_error may be called by any hand; the rest by the run's own thread.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "centimane/detail/admission.hpp"
#include "centimane/detail/payload.hpp"
#include "centimane/detail/provenance.hpp"
#include "centimane/detail/recorder.hpp"
#include "centimane/detail/run_request.hpp"
#include "centimane/errors.hpp"
#include "centimane/result.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

using engine::verdict;

/// Asks the task that this thread runs to end early; null: nobody can.
[[nodiscard]] const std::atomic<bool>* stop_flag() noexcept;

class map_core : public engine::payload, public engine::recorder {
 public:
  explicit map_core(const run_request& how);
  ~map_core() override;

  /// The definition blob for worker processes. Throws payload_error if items, results or the function cannot travel.
  virtual void define(writer& out) = 0;
  void defined_as(std::uint64_t id) noexcept { definition_ = id; }
  /// Where progress asks how many items were started.
  void count_starts(std::uint64_t (*ask)(const void*), const void* whom) noexcept {
    starts_ = ask;
    whom_ = whom;
  }

  // ---- payload
  [[nodiscard]] std::uint64_t definition(index) const final { return definition_; }
  verdict fail(index item, std::uint32_t attempt, const engine::trouble& why) final;
  verdict not_sent(index item, std::exception_ptr why) final { return keep_error(item, std::move(why)); }
  bool settled(index item, bool ok, std::uint32_t attempt, int worker) final;
  bool settled_values(index first, index n, int worker) final;
  void took(index item, nanos time) final { provenance_.took(item, std::chrono::nanoseconds(time)); }
  [[nodiscard]] bool wants_each() const final { return each_; }
  /// Is there a checkpoint? Then the driver asks what a recorder is asked.
  [[nodiscard]] bool records() const { return admission_ && admission_->recording(); }
  std::vector<index> restored() final { return std::exchange(restored_, {}); }
  bool idle(void (*sleep)(void*), void* context) final;
  [[nodiscard]] std::string describe(index item) const final;

  // ---- at the end
  /// A callback threw: the run was stopped for it.
  void rethrow_callback_error() const {
    if (callback_error_) std::rethrow_exception(callback_error_);
  }
  /// Calls one of the user's functions. False: it threw, now or before; the run is to stop.
  template <class Call>
  bool tell_user(Call call) {
    if (callback_error_) return false;
    try {
      call();
    } catch (...) {
      callback_error_ = std::current_exception();
    }
    return !callback_error_;
  }
  void rethrow_source_error() const {
    if (source_error_) std::rethrow_exception(source_error_);
  }
  /// Sorted; the last `not_started` of `known` items are among them.
  [[nodiscard]] std::vector<failure> take_failures(index known, index not_started, policy::status how);
  [[nodiscard]] provenance take_provenance(index known);
  [[nodiscard]] const any_error* error_of(index item) const;
  void forget_error(index item);
  /// A stream's consumer is done with an item.
  void forget(index item) noexcept {
    if (admission_) admission_->forget(item);
    provenance_.forget(item);
  }
  /// The last attempt's; 0 unless times are taken.
  [[nodiscard]] std::chrono::nanoseconds time_of(index item) const { return provenance_.time_of(item); }
  /// Empty without an item_key.
  [[nodiscard]] std::string_view key_of(index item) const {
    return admission_ ? admission_->key_of(item) : std::string_view();
  }

 protected:
  /// Keeps what item `item` threw, and says whether it is worth another try. Any thread.
  verdict keep_error(index item, std::exception_ptr e);
  /// Same for an exception from a worker, whose filter has already answered.
  verdict keep_answered(index item, std::exception_ptr e, bool named);
  /// More than one attempt may be made.
  [[nodiscard]] bool may_retry() const noexcept { return attempts_ > 1; }
  [[nodiscard]] const error_filter& retried() const noexcept { return filter_; }
  [[nodiscard]] const std::optional<index>& expected() const noexcept { return expected_; }

  /// Outcomes are final: the derived class lets go of the items.
  virtual void let_go(index first, index n, unsigned attempts, int worker) = 0;
  /// Tells the user's callback. What it throws stops the run; it is not called again then.
  virtual void tell(index item, bool ok, unsigned attempts, int worker) = 0;

  bool each_ = false;                     ///< set by the derived class if it tells a callback
  std::exception_ptr source_error_;       ///< what the input range threw
  std::unique_ptr<admission> admission_;  ///< null without item_key and checkpoint
  std::vector<index> restored_;           ///< what the checkpoint had of the items that have come

 private:
  verdict judge(std::exception_ptr& e, bool named) const;
  void tell_progress();
  [[nodiscard]] bool killed_so_far(index item, std::uint32_t attempt) const;
  [[nodiscard]] std::exception_ptr cut_short(policy::status how) const;

  std::uint64_t definition_ = 0;
  std::uint32_t attempts_ = 1;
  error_filter filter_;
  std::function<bool(const any_error&)> retry_if_;
  std::function<std::optional<time_span>(const any_error&)> wait_from_;
  std::function<void(const progress&)> on_progress_;
  std::stop_token stop_;
  nanos timeout_, deadline_;
  std::optional<std::size_t> max_errors_;
  std::optional<index> expected_;
  std::uint64_t completed_ = 0, failed_ = 0;
  std::vector<bool> has_outcome_;  ///< with a checkpoint: settled items are no longer those before the rest
  std::uint64_t (*starts_)(const void*) = nullptr;
  const void* whom_ = nullptr;
  std::chrono::steady_clock::time_point begun_;
  const bool stream_;
  provenance provenance_;  ///< of a stream: times only
  std::exception_ptr callback_error_;
  bool stop_told_ = false;
  mutable std::exception_ptr cut_[4];

  mutable std::mutex lock_;  ///< errors_
  std::unordered_map<index, any_error> errors_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
