// Bookkeeping of one C++ run.
#include "centimane/detail/map_core.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace centimane {
inline namespace v0 {

namespace detail {

void check(run_request& how) {
  if (how.workers > 4096) {
    throw std::invalid_argument("centimane: workers must be at most 4096, not " + std::to_string(how.workers));
  }
  if (how.retry && how.retry->attempts == 0u)
    throw std::invalid_argument("centimane: retry.attempts must be 1 or more");
  if (how.retry && how.retry->attempts > 1'000'000u) {
    throw std::invalid_argument("centimane: retry.attempts must be at most a million");
  }
  if (how.max_errors && *how.max_errors == 0) {
    throw std::invalid_argument("centimane: max_errors must be 1 or more; leave it out for no limit");
  }
  const bool processes = how.executor.which() == executor::kind::process;
  if (!processes && !how.worker_set_up.empty()) {
    throw std::invalid_argument("centimane: worker_init needs .executor = centimane::process");
  }
  if (!processes && how.max_tasks_per_worker != 0) {
    throw std::invalid_argument("centimane: max_tasks_per_worker needs .executor = centimane::process");
  }
  if (how.executor.pool() != nullptr && (!how.worker_set_up.empty() || how.max_tasks_per_worker != 0)) {
    throw std::invalid_argument(
        "centimane: worker_init and max_tasks_per_worker belong to the pool: give them to its constructor");
  }
  if (how.task_timeout == 0) throw std::invalid_argument("centimane: task_timeout must be more than 0");
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  how.deadline = policy::later(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), how.timeout);
}

map_core::map_core(const run_request& how)
    : on_progress_(how.on_progress),
      stop_(how.stop),
      timeout_(how.timeout),
      deadline_(how.deadline),
      max_errors_(how.max_errors),
      expected_(how.total ? how.total : how.expected),
      begun_(std::chrono::steady_clock::now()),
      stream_(how.stream) {
  if (how.retry) {
    attempts_ = static_cast<std::uint32_t>(static_cast<std::size_t>(how.retry->attempts));
    filter_ = how.retry->on;
    retry_if_ = how.retry->retry_if;
    wait_from_ = how.retry->wait_from;
  }
  each_ = static_cast<bool>(on_progress_);
}

map_core::~map_core() = default;

/// What the user's predicates throw takes the place of the error.
verdict map_core::judge(std::exception_ptr& e, bool named) const {
  verdict v;
  v.ok = false;
  v.retryable = named;
  if (!named || (!retry_if_ && !wait_from_)) return v;
  any_error error(e);
  try {
    if (retry_if_) v.retryable = retry_if_(error);
    if (v.retryable && wait_from_) {
      if (auto wait = wait_from_(error)) v.server_wait = wait->infinite() ? policy::never : wait->get().count();
    }
  } catch (...) {
    v.retryable = false;
    e = std::current_exception();
  }
  return v;
}

verdict map_core::keep_answered(index item, std::exception_ptr e, bool named) {
  verdict v = judge(e, attempts_ > 1 && named);
  std::lock_guard guard(lock_);
  errors_[item] = any_error(std::move(e));
  return v;
}

verdict map_core::keep_error(index item, std::exception_ptr e) {
  bool named = attempts_ > 1 && filter_(e);
  return keep_answered(item, std::move(e), named);
}

std::exception_ptr map_core::cut_short(policy::status how) const {
  std::exception_ptr& shared = cut_[static_cast<std::size_t>(how) & 3];  // one object for all: there may be millions
  if (!shared) {
    switch (how) {
      case policy::status::timed_out:
        shared = std::make_exception_ptr(timed_out(
            "not run: the run's timeout of " + std::to_string(static_cast<double>(timeout_) / 1e9) + " s had passed"));
        break;
      case policy::status::aborted:
        shared = std::make_exception_ptr(
            aborted("not run: max_errors = " + std::to_string(max_errors_.value_or(0)) + " items had failed"));
        break;
      default:
        shared = std::make_exception_ptr(cancelled("not run: the run was stopped"));
    }
  }
  return shared;
}

verdict map_core::fail(index item, std::uint32_t attempt, const engine::trouble& why) {
  if (why.how == policy::outcome::cancelled && why.where == engine::stage::none) {
    // Cut off by the run itself. Which of its ends it was can be told from here.
    policy::status end = policy::status::stopped;
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    if (std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() >= deadline_) {
      end = policy::status::timed_out;
    } else if (max_errors_ && failed_ >= *max_errors_) {
      end = policy::status::aborted;
    }
    std::lock_guard guard(lock_);
    errors_[item] = any_error(cut_short(end));
    return {false, false, 0};
  }
  engine::trouble all = why;
  all.poison = why.how == policy::outcome::died && killed_so_far(item, attempt);
  return keep_error(item, explain(all, describe(item), attempt));
}

/// Did each attempt before this one kill its worker too, if there was one? What is kept is the error of the last.
bool map_core::killed_so_far(index item, std::uint32_t attempt) const {
  const any_error* last = attempt > 1 ? error_of(item) : nullptr;
  const auto* death = last != nullptr ? last->as<worker_died>() : nullptr;
  return death != nullptr && (attempt == 2 || death->poison());
}

void map_core::tell_progress() {
  if (!on_progress_) return;
  progress p{static_cast<std::size_t>(completed_), static_cast<std::size_t>(failed_), 0, std::nullopt,
             std::chrono::steady_clock::now() - begun_};
  p.started = starts_ == nullptr ? p.completed : static_cast<std::size_t>(starts_(whom_));
  if (expected_) p.total = static_cast<std::size_t>(*expected_);
  on_progress_(p);
}

bool map_core::settled(index item, bool ok, std::uint32_t attempt, int worker) {
  ++completed_;
  if (!ok) ++failed_;
  if (records()) {
    if (!ok) admission_->failed(item);
    if (has_outcome_.size() <= item) has_outcome_.resize(static_cast<std::size_t>(item) + 1);
    has_outcome_[static_cast<std::size_t>(item)] = true;
  }
  if (ok && attempt > 1) forget_error(item);
  const unsigned made = !ok && attempt == 1 && worker < 0 ? 0 : attempt;  // nobody has begun it
  if (!stream_) provenance_.note(item, 1, made, worker);
  let_go(item, 1, made, worker);
  if (each_) {
    tell_user([&] {
      tell(item, ok, made, worker);
      tell_progress();
    });
  }
  return !callback_error_ && !stop_.stop_requested();
}

bool map_core::settled_values(index first, index n, int worker) {
  completed_ += n;
  if (!stream_) provenance_.note(first, n, 1, worker);
  let_go(first, n, 1, worker);
  return !stop_.stop_requested();
}

bool map_core::idle(void (*sleep)(void*), void* context) {
  // The driver hears of a stop once, at once; from then on it sleeps until what runs has ended.
  if (stop_.stop_requested() && !std::exchange(stop_told_, true)) return false;
  sleep(context);
  return !stop_.stop_requested();
}

std::string map_core::describe(index item) const { return "item " + std::to_string(item); }

const any_error* map_core::error_of(index item) const {
  std::lock_guard guard(lock_);
  auto at = errors_.find(item);
  return at == errors_.end() ? nullptr : &at->second;
}

void map_core::forget_error(index item) {
  std::lock_guard guard(lock_);
  errors_.erase(item);
}

std::vector<failure> map_core::take_failures(index known, index not_started, policy::status how) {
  std::vector<failure> all;
  all.reserve(errors_.size() + static_cast<std::size_t>(not_started));
  const auto add = [&](index item, any_error error) {
    all.push_back({static_cast<std::size_t>(item), std::move(error), std::string(key_of(item))});
  };
  const index begun = records() ? known : known - not_started;
  for (auto& [item, error] : errors_) {
    if (item < begun) add(item, std::move(error));
  }
  for (index item = begun; item < known; ++item) add(item, any_error(cut_short(how)));
  if (records()) {
    // What a checkpoint had lies anywhere among what was not begun.
    has_outcome_.resize(static_cast<std::size_t>(known));
    for (index item = 0; item < known; ++item) {
      if (!has_outcome_[static_cast<std::size_t>(item)]) add(item, any_error(cut_short(how)));
    }
  }
  std::sort(all.begin(), all.end(), [](const failure& a, const failure& b) { return a.index < b.index; });
  errors_.clear();
  return all;
}

provenance map_core::take_provenance(index known) {
  std::vector<std::string> keys;
  for (index item = 0; admission_ && item < known; ++item) {
    const std::string_view key = key_of(item);
    if (key.empty()) continue;
    keys.resize(static_cast<std::size_t>(known));
    keys[static_cast<std::size_t>(item)] = key;
  }
  provenance_.close(std::move(keys));
  return std::move(provenance_);
}

void throw_group(std::size_t size, run_status status, const std::vector<failure>& failures) {
  std::string text = std::to_string(failures.size()) + " of " + std::to_string(size) + " items failed";
  switch (status) {
    case run_status::completed:
      break;
    case run_status::stopped:
      text += "; the run was stopped";
      break;
    case run_status::timed_out:
      text += "; the run's timeout had passed";
      break;
    case run_status::aborted:
      text += "; the run was aborted, since max_errors items had failed";
      break;
  }
  constexpr std::size_t shown = 3;
  for (std::size_t i = 0; i < failures.size() && i < shown; ++i) {
    const std::string& key = failures[i].key;
    text += "\n  item " + std::to_string(failures[i].index) + (key.empty() ? "" : " (" + key + ")") + ": " +
            std::string(failures[i].error.type_name()) + ": " + failures[i].error.what();
  }
  if (failures.size() > shown) text += "\n  and " + std::to_string(failures.size() - shown) + " more";
  throw exception_group(std::move(text), failures);
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
