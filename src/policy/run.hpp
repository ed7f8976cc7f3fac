// policy::run decides what one run does next. Pure: no clock, thread, value or system call; single-threaded, it belongs
// to its driver. The driver reports events, then asks next(now, room) until it answers `wait` or `finish`, and does
// each thing it is told before it asks again. Indices go out and come back as ranges: only an item that waits for its
// retry, or has overtaken a stream's consumer, has state here.
//
// Promises: every index settles at most once; after `finish` settled() + not_started() == known(), and `completed`
// means that all settled; attempts of an item are numbered without a gap and never exceed the limit; no start at or
// after the deadline or after a halt; room, window and limiter are never exceeded; ordered emits are consecutive; every
// run ends once what it started has ended and what it emitted is consumed.
//
// Cost: O(1) an event and a question; O(log w) for a retry, w = items that wait for theirs. Nothing an item without a
// policy.
#pragma once
#include <cassert>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <vector>

#include "centimane/detail/words.hpp"
#include "policy/limiter.hpp"
#include "policy/retry.hpp"
#include "policy/run_order.hpp"

namespace centimane::policy {

/// What the user asks of a run.
struct rules {
  std::optional<index> total = {};  ///< length, if known; a sized source is never pulled
  index window = 1024;              ///< most items admitted and not settled (stream: not consumed); at least 1
  /// The same by bytes; one item alone may exceed it, or it could never start. In a stream the outcomes count as well:
  /// those that wait for the consumer, and those under way by the average of those that have come.
  std::uint64_t window_bytes = UINT64_MAX;
  bool stream = false;         ///< outcomes are emitted and consumed; a map collects them by index
  bool ordered = true;         ///< a stream emits in the order of the input
  std::uint32_t attempts = 1;  ///< tries an item, the first included
  nanos backoff = 0;           ///< before the second try; doubles with each further one
  nanos max_delay = never;     ///< the longest that backoff grows to
  nanos deadline = never;      ///< nothing starts at or after it; what runs then is cut off
  bool jitter = true;          ///< spreads the waits, by `seed`
  std::uint64_t seed = 0;
  std::optional<index> max_errors = {};  ///< one failed item more aborts the run
  tokens* limit = nullptr;               ///< a token is spent at a start: the driver must offer only FREE hands as room
  /// Of hands that draw tokens themselves (see `further`): how far ahead they are given items, and how long one waits
  /// in its place for the next token.
  nanos draw_ahead = 100'000, draw_patience = 20'000;
  nanos max_server_wait = never;  ///< the longest wait that a server's word is followed for
};

/// With a limiter, what an executor takes beyond its free hands: items that wait until a hand has done with another,
/// each of which draws its own token as it begins. What finds none, nor has one coming within draw_patience, comes back
/// unsent.
struct further {
  index room = 0;
  index waiting = 0;  ///< such items that it has and that have not begun
};

/// One thing to do.
struct action {
  enum kind : std::uint8_t {
    pull,     ///< ask the source for at most `count` items; not said again until `arrived` or `source_ended` answers
    start,    ///< give [first, first + count) to the executor as attempt `attempt` (above 1: count is 1)
    give_up,  ///< item `first` settles now: with its last error if attempt > 1, else as cancelled (it never began)
    emit,     ///< [first, first + count) go to the stream's consumer
    recall,   ///< take back from the executor what has not begun; if `hard`, end what has
    wait,     ///< nothing to do before an event or `until`
    finish    ///< the run has ended, how says `end`; the answer for ever after
  } what;
  index first = 0, count = 0;
  std::uint32_t attempt = 1;
  bool hard = false;
  nanos until = never;
  status end = status::completed;
  bool draws = false;  ///< start: no token was taken, each draws its own
};

class run {
 public:
  explicit run(const rules& r);

  // ---- events: what has happened. After `finish` only a slow source (arrived, recorded, source_ended) and a late user
  // (stop) may still speak; they change nothing.

  /// Answers a pull: n items, maybe 0, that hold `bytes` together (0 if unknown). An async source answers when it
  /// likes.
  void arrived(index n, std::uint64_t bytes = 0);
  /// The source has no more, or raised: then the run ends as source_failed.
  void source_ended(bool failed);
  /// The checkpoint knows [first, first + n), which have arrived and were not started: they take no token, no room and
  /// no worker. Ranges come in ascending order, before the next question. In a map they settle now; in a stream when
  /// the window reaches them, by an emit; their values, which are here already, hold `bytes` together.
  void recorded(index first, index n, std::uint64_t bytes = 0);
  /// [first, first + n) ended in values, whichever attempt was running; a stream's values hold `bytes` together.
  void succeeded(index first, index n, std::uint64_t bytes = 0) {
    assert(running_ >= n);
    running_ -= n;
    weighed_ += n;
    weighed_bytes_ += bytes;
    settle(first, n, bytes);
  }
  /// One attempt ended without a value. retryable: the error is one that the policy names. server_wait: the wait that
  /// the error asks for, or 0. True: the item has settled, as cancelled or with its last error (of an attempt before,
  /// if this one was unsent). False: the run holds it for another start or a give_up.
  bool ended(index item, std::uint32_t attempt, outcome how, bool retryable, nanos server_wait, nanos now);
  /// A stream's consumer is done with n of the emitted items, which held `bytes` together (input and outcome).
  void consumed(index n, std::uint64_t bytes = 0) {
    assert(rules_.stream && unread_ >= n && bytes_ >= bytes);
    unread_ -= n;
    open_ -= n;
    bytes_ -= bytes;
  }
  /// Ends the run early: soft lets what runs end, hard cuts it off. Said again, only a harder word counts; too late if
  /// all has settled.
  void stop(bool hard = false);

  // ---- what next

  /// One thing to do. room: the tasks that the executor takes now; more: those that it lets wait.
  [[nodiscard]] action next(nanos now, index room, further more = {});

  // ---- how far it is

  [[nodiscard]] index settled() const { return settled_; }
  [[nodiscard]] index failed() const { return failed_; }        ///< of these, how many by an error
  [[nodiscard]] index cancelled() const { return cancelled_; }  ///< of these, how many cancelled
  [[nodiscard]] index known() const { return known_; }          ///< the source's length as far as it is known
  /// Known and never begun: after finish the items of a truncated run that have no outcome.
  [[nodiscard]] index not_started() const { return known_ - next_ - skipped_; }
  [[nodiscard]] index open() const { return open_; }  ///< in the window
  /// When the item that `ended` has just held back may start again.
  [[nodiscard]] nanos held_until() const { return held_until_; }
  /// In the window of bytes. A map counts a settled item as the average of those that were there: it knows no item's
  /// own.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// An item is due that only room, or a token, is missing for.
  [[nodiscard]] bool wants_start(nanos now) const {
    return !halted_ && ((!again_.empty() && again_.top().due <= now) || (next_ < known_ && admissible() > 0));
  }

 private:
  /// An item whose next attempt is not before `due`.
  struct waiting {
    nanos due;
    index item;
    std::uint32_t attempt;
    bool operator<(const waiting& o) const { return due != o.due ? due > o.due : item > o.item; }  // earliest on top
  };

  void settle(index first, index n, std::uint64_t bytes) {
    settled_ += n;
    if (rules_.stream) {
      bytes_ += bytes;
      ordered_ ? in_order_.settled(first, n) : loose_.settled(first, n);
    } else {
      open_ -= n;
      if (bytes_ > 0) release_share(n);
    }
  }
  [[nodiscard]] bool all_settled() const { return sized_ && settled_ == known_; }
  /// Outcomes of a stream that may be under way before one has been weighed.
  static constexpr index unweighed = 8;
  [[nodiscard]] index admissible() const;
  [[nodiscard]] index outcomes_that_fit() const;
  [[nodiscard]] index pull_size() const;
  void release_share(index n);
  [[nodiscard]] index startable(index room) const;
  void halt(status why, bool hard);
  void pause_limiter(nanos until);
  void admit_recorded();
  index take_tokens(nanos now, index wanted, nanos& until);
  [[nodiscard]] index drawable(nanos now, further more) const;
  stretch take_emit();
  action next_halted();
  action start_retry(bool draws);
  action start_new(index n, bool draws);
  action finish();

  rules rules_;
  retry_schedule schedule_;
  bool ordered_;  ///< rules.stream && rules.ordered
  bool sized_;    ///< known_ is the whole length
  bool pulling_ = false, halted_ = false, hard_ = false, recall_ = false, finished_ = false;
  status status_ = status::completed;
  index known_;        ///< items that exist so far
  index next_ = 0;     ///< the first that was never begun nor recorded
  index open_ = 0;     ///< admitted and not settled (stream: not consumed)
  index running_ = 0;  ///< with the executor
  index unread_ = 0;   ///< emitted and not consumed
  index settled_ = 0, failed_ = 0, cancelled_ = 0;
  index skipped_ = 0;        ///< settled ahead of next_ by a checkpoint (map)
  std::uint64_t bytes_ = 0;  ///< held by what has arrived and is not settled (stream: not consumed)
  std::uint64_t arrived_bytes_ = 0;
  index weighed_ = 0;  ///< values that have come, and what they held
  std::uint64_t weighed_bytes_ = 0;
  nanos held_until_ = 0;
  std::priority_queue<waiting> again_;
  std::deque<stretch> recorded_;  ///< known to the checkpoint, not yet reached by next_
  run_order in_order_;
  loose_order loose_;
};

}  // namespace centimane::policy
