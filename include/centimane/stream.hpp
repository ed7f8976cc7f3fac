// What parallel_iter gives: outcomes as they are consumed, in bounded memory.
//
//   for (auto& r : cm::parallel_iter(crunch, lines_of(file)))
//     if (r.value) use(*r.value); else log(r.index, r.error->what());
//
// Thread safety: belongs to one thread. Cost: O(1) an item; memory for one window.
#pragma once
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "centimane/detail/carrier.hpp"
#include "centimane/detail/map_payload.hpp"
#include "centimane/insights.hpp"
#include "centimane/result.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
/// A stream, its input's and function's types forgotten.
template <class R>
class stream_core {
 public:
  virtual ~stream_core() = default;
  /// Lets go of the present outcome, waits for the next; null at the end. Throws what the input range or a callback
  /// threw.
  virtual item_result<R>* next() = 0;
  [[nodiscard]] virtual run_status status() const = 0;
  [[nodiscard]] virtual centimane::insights insights() const = 0;
};

template <class F, class Rng, class R>
class stream_run final : public stream_core<R> {
 public:
  template <class G>
  stream_run(G&& f, Rng&& items, run_request how, const std::function<void(const item_result<R>&)>& on_result)
      : work_(std::forward<G>(f), std::forward<Rng>(items), how, on_result), run_(work_, how) {}

  item_result<R>* next() override {
    if (now_) {
      index done = static_cast<index>(now_->index);
      now_.reset();
      std::uint64_t bytes = work_.sink().bytes(done);
      work_.sink().release(done);
      if (failed_) work_.forget_error(done);
      work_.forget(done);
      run_.consumed(1, bytes);
    }
    if (left_.count == 0) {
      left_ = run_.next();
      if (left_.count == 0) {
        work_.rethrow_callback_error();
        work_.rethrow_source_error();
        return nullptr;
      }
    }
    index i = left_.first++;
    --left_.count;
    auto& sink = work_.sink();
    failed_ = !sink.made(i);
    const any_error* error = failed_ ? work_.error_of(i) : nullptr;
    if constexpr (std::is_void_v<R>) {
      now_.emplace(item_result<void>{static_cast<std::size_t>(i), error, sink.attempts(i), sink.worker(i),
                                     work_.key_of(i), work_.time_of(i)});
    } else {
      now_.emplace(item_result<R>{static_cast<std::size_t>(i), failed_ ? nullptr : sink.value(i), error,
                                  sink.attempts(i), sink.worker(i), work_.key_of(i), work_.time_of(i)});
    }
    return &*now_;
  }
  run_status status() const override { return static_cast<run_status>(run_.status()); }
  centimane::insights insights() const override { return run_.insights(); }

 private:
  map_payload<F, Rng, R, paged_sink<R>> work_;
  carrier run_;  // goes first: what runs in this process looks at work_
  carrier::stretch left_;
  std::optional<item_result<R>> now_;
  bool failed_ = false;
};
}  // namespace detail

/// A move-only input range of item_result<R>&, one pass. Leaving the loop early stops the run: nothing more is
/// admitted, what was not started is taken back, running thread tasks are awaited (they may see your frame), process
/// tasks are left to end by themselves.
template <class R>
class [[nodiscard]] stream {
 public:
  class iterator {
   public:
    using value_type = item_result<R>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    item_result<R>& operator*() const { return *now_; }
    item_result<R>* operator->() const { return now_; }
    iterator& operator++() {
      now_ = from_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.now_ == nullptr; }

   private:
    friend class stream;
    explicit iterator(detail::stream_core<R>* from) : from_(from), now_(from->next()) {}
    detail::stream_core<R>* from_;
    item_result<R>* now_;
  };

  /// Waits for the first outcome. To be called once.
  [[nodiscard]] iterator begin() { return iterator(core_.get()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  /// How the run ended, once the loop has.
  [[nodiscard]] run_status status() const { return core_->status(); }
  /// Where the time goes, so far; of an ended run as it was at its end. See insights.hpp.
  [[nodiscard]] centimane::insights insights() const { return core_->insights(); }

  explicit stream(std::unique_ptr<detail::stream_core<R>> core) noexcept : core_(std::move(core)) {}

 private:
  std::unique_ptr<detail::stream_core<R>> core_;
};

}  // namespace v0
}  // namespace centimane
