// One run's items, function and values: the C++ face's side of `payload`. Small, because what does not depend on types
// is in map_core.
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "centimane/detail/items.hpp"
#include "centimane/detail/map_core.hpp"
#include "centimane/detail/remote_task.hpp"
#include "centimane/detail/sinks.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Does a callable's type say which function it is?
template <class F>
struct function_type : std::bool_constant<type_tells<F>> {
  static constexpr bool tells = type_tells<F>;
};
template <class F>
struct function_type<applied<F>> : function_type<F> {};

[[noreturn]] void throw_cannot_record(const char* what, const char* mangled_type);
[[noreturn]] void throw_not_recorded(index item);
[[noreturn]] void throw_other_items(const std::type_info& named, const std::type_info& items);
[[noreturn]] void throw_cannot_travel(const char* what, const char* mangled_type, const char* advice);
/// A payload_error about the exception being handled.
[[nodiscard]] std::exception_ptr describe_payload_error(const char* stage, const char* doing, const char* mangled_type);

/// Whether a run can go to processes, and why not.
template <class F, class T, class R>
struct travel {
  static constexpr bool possible = has_codec<T> && can_return<R> && function_travels<F>;
  [[noreturn]] static void refuse() {
    if constexpr (!function_travels<F>) {
      throw_cannot_travel("the function", typeid(F).name(),
                          "let it capture plain values only, make it an aggregate, or give it serialize(Archive&)");
    } else if constexpr (!has_codec<T>) {
      throw_cannot_travel("an item", typeid(T).name(), "give it a codec<T> or serialize(Archive&)");
    } else {
      throw_cannot_travel("a result", typeid(R).name(),
                          "return what owns its memory and has a codec<T> or serialize(Archive&)");
    }
  }
};

/// Sets what the request needs to know of the range, before any item is read.
template <class Rng>
void measure(run_request& how, Rng& items) {
  if constexpr (std::ranges::sized_range<Rng>) {
    auto n = static_cast<index>(std::ranges::size(items));
    if (item_source<Rng>::by_index && !how.staged()) how.total = n;
    how.expected = n;
  }
}

/// Sink: where values go (sinks.hpp).
template <class F, class Rng, class R, class Sink>
class map_payload final : public map_core {
  using source = item_source<Rng>;
  using T = value_t<Rng>;
  using pass = item_t<Rng>;
  using can = travel<F, T, R>;
  /// Items of a flat run between two looks at the flag that stops it.
  static constexpr index unseen = 256;

 public:
  /// `how` has been measured.
  template <class G>
  map_payload(G&& f, Rng&& items, const run_request& how, const std::function<void(const item_result<R>&)>& on_result)
      : map_core(how),
        f_(std::forward<G>(f)),
        items_(std::forward<Rng>(items)),
        sink_(how.expected.value_or(0)),
        on_result_(on_result),
        weigh_(how.window_bytes != 0) {
    if (on_result_) each_ = true;
    if constexpr (source::by_index) sink_.reach(*how.expected);
    if (how.staged()) begin_admission(how);
    if constexpr (!std::is_lvalue_reference_v<Rng> && !std::copy_constructible<T>) {
      if (may_retry() && how.executor.which() != executor::kind::process) {
        throw std::invalid_argument(
            "centimane: retry needs items that can be copied, or are lent (an lvalue range): each attempt uses one up");
      }
    }
  }

  void define([[maybe_unused]] writer& out) override {
    if constexpr (can::possible)
      write_definition<F, T, pass, R>(out, f_, retried());
    else
      can::refuse();
  }

  engine::pulled pull([[maybe_unused]] index at_most) override {
    engine::pulled got;
    if constexpr (source::by_index) {
      if (admission_) {
        got.count = std::min(at_most, *items_.length() - arrived_);
        got.ended = arrived_ + got.count == *items_.length();
        admit(got);
        arrived_ += got.count;
      } else {
        got.ended = true;
      }
    } else {
      at_most =
          std::min(at_most, sink_.capacity() - arrived_);  // a range that is longer than it said ends where it said
      if (at_most == 0) return {0, 0, true, false};
      try {
        items_.pull(at_most, got);
      } catch (...) {
        source_error_ = std::current_exception();
        got.ended = true;  // what came before is carried to its end, then the error is thrown on
      }
      sink_.reach(arrived_ + got.count);
      if (admission_) admit(got);
      arrived_ += got.count;
      if (!weigh_) got.bytes = 0;
    }
    return got;
  }

  verdict invoke(index item, std::uint32_t, int) override {
    try {
      call(item);
    } catch (...) {
      if (engine::past_limit()) return {false, false, 0};
      return keep_error(item, std::current_exception());
    }
    if (!engine::past_limit()) return {};
    sink_.drop(item);
    return {false, false, 0};
  }

  index invoke_range(index first, index n, int, verdict& last) override {
    index i = 0;
    try {
      if constexpr (source::by_index && Sink::flat) {
        if (!may_retry()) {
          call_flat(first, n, i);
          last = {};
          return i;
        }
      }
      for (; i < n; ++i) call(first + i);
      last = {};
      return n;
    } catch (...) {
      last = keep_error(first + i, std::current_exception());
      return i + 1;
    }
  }

  verdict encode(index item, writer& out) override {
    if constexpr (can::possible) {
      try {
        codec<T>::write(out, items_.look(item));
        return {};
      } catch (...) {
        return keep_answered(
            item, describe_payload_error("write_args", "an item could not be written", typeid(T).name()), false);
      }
    } else {
      return {false, false, 0};  // not reached: define() has refused
    }
  }

  verdict decode(index item, bool ok, reader in) override {
    if constexpr (can::possible) {
      if (!ok) {
        bool named = false;
        std::exception_ptr e = read_error(in, named);
        return keep_answered(item, std::move(e), named);
      }
      try {
        if constexpr (std::is_void_v<R>)
          sink_.emplace(item, [] {});
        else
          sink_.emplace(item, [&] { return codec<R>::read(in); });
        return {};
      } catch (...) {
        return keep_answered(
            item, describe_payload_error("read_result", "a result could not be read", typeid(R).name()), false);
      }
    } else {
      return {false, false, 0};
    }
  }

  void record([[maybe_unused]] std::span<const index> items) override {
    if constexpr (can_return<R>) {
      writer out;
      for (const index i : items) {
        out.clear();
        if constexpr (!std::is_void_v<R>) {
          try {
            codec<R>::write(out, *sink_.value(i));
          } catch (...) {
            admission_->write();  // what comes before it in this batch
            throw_not_recorded(i);
          }
        }
        admission_->keep(i, out.view());
      }
      admission_->write();
    }
  }

  /// A map's end.
  [[nodiscard]] parallel_result<R> result(index known, index not_started, policy::status how) {
    if constexpr (source::by_index) {  // all of it has a place, even what was never looked at
      not_started += *items_.length() - known;
      known = *items_.length();
    }
    auto status = static_cast<run_status>(how);  // same order; a source that throws is no status here
    auto from = take_provenance(known);
    auto failures = take_failures(known, not_started, how);
    const auto made = [&]() -> parallel_result<R> {
      if constexpr (std::is_void_v<R>) {
        return {static_cast<std::size_t>(known), status, std::move(failures)};
      } else {
        return {sink_.take(known), static_cast<std::size_t>(known), status, std::move(failures)};
      }
    };
    parallel_result<R> all = made();
    all.describe(std::move(from));
    return all;
  }
  [[nodiscard]] Sink& sink() noexcept { return sink_; }
  std::uint64_t weighed() override { return std::exchange(weighed_, 0); }

 private:
  /// Throws std::invalid_argument, checkpoint_error, payload_error.
  void begin_admission(const run_request& how) {
    if (how.item_key && how.item_key.of() != typeid(T)) throw_other_items(how.item_key.of(), typeid(T));
    std::string name;
    if (how.checkpoint) {
      if constexpr (!has_codec<T>) {
        throw_cannot_record("items", typeid(T).name());
      } else if constexpr (!can_return<R>) {
        throw_cannot_record("results", typeid(R).name());
      } else {
        name = function_identity(*how.checkpoint, function_type<F>::tells, typeid(F), typeid(T), typeid(R));
      }
    }
    admission_ = std::make_unique<admission>(how.checkpoint ? &*how.checkpoint : nullptr, how.item_key, name);
  }

  /// Shows the items of a pull to the checkpoint. One that is refused ends the source there.
  void admit(engine::pulled& got) {
    writer encoded;
    std::vector<std::byte> known;
    for (index k = 0; k != got.count; ++k) {
      const index item = arrived_ + k;
      try {
        encoded.clear();
        const T& at = items_.look(item);
        if constexpr (has_codec<T>) {
          if (admission_->recording()) codec<T>::write(encoded, at);
        }
        if (!admission_->admit(item, std::addressof(at), encoded.view(), known)) continue;
        if constexpr (can_return<R>) {
          if constexpr (std::is_void_v<R>) {
            sink_.emplace(item, [] {});
          } else {
            reader from(known);
            sink_.emplace(item, [&] { return codec<R>::read(from); });
          }
        }
        restored_.push_back(item);
      } catch (...) {
        source_error_ = std::current_exception();  // what comes before it is carried to its end
        got.count = k;
        got.ended = true;
        return;
      }
    }
  }

  void call(index item) {
    items_.with(item, may_retry(), [&]<class X>(X&& x) {
      sink_.emplace(item, [&]() -> decltype(auto) { return std::invoke(std::as_const(f_), std::forward<X>(x)); });
    });
  }

  /// The loop over arrays of plain values, with nothing in it that a compiler must look at again for each item: it
  /// vectorises what can be. Ends early when its run is stopped. `done` is right whenever the function throws.
  void call_flat(index first, index n, index& done) {
    const auto in = items_.from(first);
    const F& f = f_;
    const auto item = [in](index i) -> pass { return static_cast<pass>(in[i]); };
    index i = 0;
    struct note {
      index& done;
      const index& i;
      ~note() { done = i; }
    } const at_end{done, i};
    const std::atomic<bool>* const stop = stop_flag();
    do {
      const index end = std::min(n, i + unseen);
      if constexpr (std::is_void_v<R>) {
        for (; i < end; ++i) std::invoke(f, item(i));
      } else {
        // Nobody else knows these places: what the function reads does not change by writing to them.
        R* const __restrict out = sink_.value(first);
        for (; i < end; ++i) ::new (static_cast<void*>(out + i)) R(std::invoke(f, item(i)));
      }
    } while (i < n && (stop == nullptr || !stop->load(std::memory_order_relaxed)));
  }

  void tell(index item, bool ok, unsigned attempts, int worker) override {
    if (!on_result_) return;
    const any_error* error = ok ? nullptr : error_of(item);
    if constexpr (std::is_void_v<R>) {
      on_result_(
          item_result<void>{static_cast<std::size_t>(item), error, attempts, worker, key_of(item), time_of(item)});
    } else {
      on_result_(item_result<R>{static_cast<std::size_t>(item), ok ? sink_.value(item) : nullptr, error, attempts,
                                worker, key_of(item), time_of(item)});
    }
  }
  void let_go([[maybe_unused]] index first, [[maybe_unused]] index n, [[maybe_unused]] unsigned attempts,
              [[maybe_unused]] int worker) override {
    if constexpr (!source::by_index || Sink::notes) {
      for (index i = first; i != first + n; ++i) {
        std::uint64_t bytes = 0;
        if constexpr (!source::by_index) {
          if (weigh_) bytes = weight_of(items_.look(i));
          items_.release(i);
        }
        if constexpr (Sink::notes) {
          if (weigh_ && sink_.made(i)) {
            const std::uint64_t value = weight_of(*sink_.value(i));
            bytes += value;
            weighed_ += value;
          }
          sink_.note(i, attempts, worker, bytes);
        }
      }
    }
  }

  const F f_;
  source items_;
  Sink sink_;
  std::function<void(const item_result<R>&)> on_result_;
  bool weigh_;
  std::uint64_t weighed_ = 0;  ///< held by values of which the engine has not been told
  index arrived_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
