// The loop. Each round: ask the policy until it has nothing more to say, collect what the executor has to tell, and
// sleep only if that was nothing.
#include "run/driver.hpp"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "platform/clock.hpp"

namespace centimane::engine {
namespace {

/// The longest sleep. No wake-up is expected to be lost; this bounds what a lost one, or a stop asked by another
/// thread, would cost.
constexpr nanos longest_nap = 100'000'000;
/// A pull that takes longer than this is shortened, so that a slow source does not keep results, and hands, waiting.
constexpr nanos slow_pull = 200'000;
/// A stream hands out at most this many items between two looks at the executor.
constexpr index items_a_look = 64;

}  // namespace

class driver::loop final : public events {
 public:
  loop(payload& work, port& where, const policy::rules& rules, recorder* keeper, watch* eyes)
      : work_(work),
        where_(where),
        run_(rules),
        eyes_(eyes),
        ledger_(platform::now(), eyes != nullptr),
        each_(work.wants_each()),
        limited_(rules.limit != nullptr),
        keeper_(keeper) {
    if (eyes_ != nullptr) where_.watch();
  }

  ~loop() {
    if (!ended_ && running_ > 0) where_.recall(false);
    left(policy::status::stopped);
  }

  void listen(std::function<bool(const word&)> hear) {
    hear_ = std::move(hear);
    where_.listen();
  }

  void left(policy::status how) {
    if (eyes_ != nullptr && begun_ && !std::exchange(told_end_, true)) tell_end(how);
  }

  policy::status finish() {
    for (;;) {
      switch (turn(policy::never)) {
        case turned::end:
          return status_;
        case turned::dry:
          sleep();
          break;
        default:
          break;  // a map emits nothing
      }
    }
  }

  stretch next() {
    // What is ready is handed out without asking anybody, but not for so long that hands go idle behind it.
    if (wants_a_look()) {
      for (;;) {
        turned t = turn(policy::never);
        if (!ready_.empty()) break;
        if (t == turned::end) return {};
        if (t == turned::dry) sleep();
      }
    }
    stretch s = hand_out();
    if (running_ > 0 && ready_.empty()) where_.away();
    return s;
  }

  stretch ready() { return wants_a_look() ? stretch{} : hand_out(); }
  nanos until() const { return until_; }
  bool arm(const detail::alarm* to) { return where_.arm(to); }

  void consumed(index n, std::uint64_t bytes) { run_.consumed(n, bytes); }
  void stop(bool hard) { run_.stop(hard); }
  bool ended() const { return ended_; }
  policy::status status() const { return status_; }

  insights look() const { return ledger_.look(platform::now(), run_.settled(), run_.failed() + run_.cancelled()); }

  tally count() const {
    tally t;
    t.started = started_;
    t.settled = run_.settled();
    t.failed = run_.failed();
    t.cancelled = run_.cancelled();
    t.known = run_.known();
    t.not_started = run_.not_started();
    return t;
  }

 private:
  bool wants_a_look() const { return ready_.empty() || handed_ >= items_a_look; }
  stretch hand_out() {
    stretch s = ready_.front();
    ready_.pop_front();
    handed_ += s.count;
    return s;
  }

 public:
  /// Does what the policy asks until it asks to wait, then collects; again while that brought something. Never sleeps.
  turned turn(nanos at_most) {
    const nanos enough = at_most == policy::never ? policy::never : policy::later(platform::now(), at_most);
    bool emitted = false;
    handed_ = 0;
    if (eyes_ != nullptr && !std::exchange(begun_, true)) say({happening::run_begun});
    for (;;) {
      policy::action a = run_.next(platform::now(), where_.room(), limited_ ? where_.further() : policy::further{});
      switch (a.what) {
        case policy::action::pull:
          pull(a.count);
          break;
        case policy::action::start:
          running_ += a.count;
          if (a.attempt == 1) started_ += a.count;
          start(a);
          break;
        case policy::action::give_up:
          give_up(a.first, a.attempt);
          break;
        case policy::action::emit:
          ready_.push_back({a.first, a.count});
          emitted = true;
          break;
        case policy::action::recall:
          where_.recall(a.hard);
          break;
        case policy::action::wait:
          until_ = std::min(a.until, where_.due());
          if (emitted) return turned::emitted;
          if (!collect()) return turned::dry;
          if (enough != policy::never && platform::now() >= enough) return turned::more;
          break;
        case policy::action::finish:
          if (!std::exchange(ended_, true)) end(a.end);
          return turned::end;
      }
    }
  }

  void arrived(const pulled& got) {
    run_.arrived(got.count, got.bytes);
    if (keeper_ != nullptr) restore(keeper_->restored());
    if (got.ended || got.failed) run_.source_ended(got.failed);
  }

 private:
  void pull(index at_most) {
    nanos before = platform::now();
    pulled got = work_.pull(std::min(at_most, pull_size_));
    if (got.later) {  // its answers are its own measure
      pull_size_ = policy::index{1} << 16;
      return;
    }
    arrived(got);
    nanos took = platform::now() - before;
    if (eyes_ != nullptr) eyes_->spent("pull", before, before + took, got.count);
    if (took > slow_pull) {
      pull_size_ = std::max<index>(1, pull_size_ / 2);
      collect();  // a source that takes its time must not keep outcomes waiting
    } else if (took < slow_pull / 4 && got.count == pull_size_) {
      pull_size_ = std::min<index>(pull_size_ * 2, 1 << 16);
    }
  }

  /// What a checkpoint had of a pull: settled without an attempt.
  void restore(const std::vector<index>& items) {
    if (items.empty()) return;
    bool go_on = true;
    stretch row;
    for (const index item : items) {
      if (item != row.first + row.count) {
        run_.recorded(row.first, row.count, work_.weighed());
        row = {item, 0};
      }
      go_on = work_.settled(item, true, 0, -1) && go_on;
      ++row.count;
    }
    run_.recorded(row.first, row.count, work_.weighed());
    started_ += items.size();
    if (!go_on) run_.stop();
  }

  void start(const policy::action& a) {
    if (eyes_ == nullptr) return hand_over(a);
    const nanos before = platform::now();
    hand_over(a);
    const nanos after = platform::now();
    ledger_.encoded(after - before);
    eyes_->spent("start", before, after, a.count);
  }

  void hand_over(const policy::action& a) {
    a.draws ? where_.start_drawing(a.first, a.count, a.attempt) : where_.start(a.first, a.count, a.attempt);
  }

  void end(policy::status how) {
    status_ = how;
    if (hear_) {
      where_.overhear();
      where_.collect(*this);
    }
    ledger_.ended(platform::now());
    if (eyes_ != nullptr && !std::exchange(told_end_, true)) tell_end(how);
  }

  void tell_end(policy::status how) {
    ledger_.ended(platform::now());
    happening last{happening::run_ended};
    last.end = how;
    say(last);
  }

  void give_up(index item, std::uint32_t attempt) {
    if (attempt == 1) {
      trouble why;  // taken back before it began: nothing is stored for it yet
      why.how = policy::outcome::cancelled;
      why.text = "taken back before it began, since the run had ended";
      work_.fail(item, attempt, why);
    }
    if (!work_.settled(item, false, attempt > 1 ? attempt - 1 : attempt, -1)) run_.stop();
  }

  bool collect() {
    const nanos before = eyes_ != nullptr ? platform::now() : 0;
    bool any = where_.collect(*this);
    if (!fresh_.empty()) record();
    flush();
    if (any && eyes_ != nullptr) eyes_->spent("collect", before, platform::now());
    return any;
  }

  /// Values wait until all that one look has brought is written down together; only then are they told of.
  void record() {
    items_.clear();
    for (const fresh& f : fresh_) items_.push_back(f.item);
    keeper_->record(items_);
    bool go_on = true;
    for (const fresh& f : fresh_) {
      if (eyes_ == nullptr) ledger_.settled(f.worker, work_.items_in(f.item, 1));
      go_on = work_.settled(f.item, true, f.attempt, f.worker) && go_on;
      run_.succeeded(f.item, 1, work_.weighed());
    }
    fresh_.clear();
    if (!go_on) run_.stop();
  }

  void sleep() {
    struct nap {
      port& where;
      nanos until;
    } n{where_, std::min(until_, policy::later(platform::now(), longest_nap))};
    const nanos before = eyes_ != nullptr ? platform::now() : 0;
    bool go_on = work_.idle([](void* p) { static_cast<nap*>(p)->where.wait(static_cast<nap*>(p)->until); }, &n);
    if (eyes_ != nullptr) eyes_->spent("sleep", before, platform::now());
    if (!go_on) run_.stop();
  }

  // ---- events: what the port tells while it collects

  void timed(const phase_times& when) override { times_ = when; }
  void heard(const word& what) override {
    if (hear_ && !hear_(what)) run_.stop();
  }
  void noticed(const happening& what) override {
    if (eyes_ == nullptr) return;
    happening told = what;
    if (what.what == happening::taken_back) {
      told.item = work_.items_in(0, what.item);
      told.count = work_.items_in(what.item, what.count);
    }
    say(told);
  }

  void values(index first, index n, int worker) override {
    running_ -= n;
    if (eyes_ != nullptr) {
      for (index i = first; i != first + n; ++i) attempt_ended(i, 1, worker, policy::outcome::value, true);
    }
    if (keeper_ != nullptr) {
      for (index i = first; i != first + n; ++i) fresh_.push_back({i, 1, worker});
    } else if (each_) {
      for (index i = first; i != first + n; ++i) {
        if (!work_.settled(i, true, 1, worker)) run_.stop();
      }
      succeed(first, n, worker);
    } else {
      succeed(first, n, worker);
    }
  }

  void invoked(index item, std::uint32_t attempt, int worker, verdict v) override {
    if (v.ok) {
      value(item, attempt, worker);
    } else {
      attempt_failed(item, attempt, worker, policy::outcome::error, v);
    }
  }

  void returned(index item, std::uint32_t attempt, int worker, bool ok, verdict v, reader record) override {
    const nanos before = eyes_ != nullptr ? platform::now() : 0;
    verdict read = work_.decode(item, ok, record);
    if (eyes_ != nullptr) ledger_.decoded(platform::now() - before);
    if (ok && read.ok) {
      value(item, attempt, worker);
      return;
    }
    // The worker's answer and the driver's own are one: each may name the error as worth another try.
    read.retryable = read.retryable || (!ok && v.retryable);
    read.server_wait = std::max(read.server_wait, v.server_wait);
    attempt_failed(item, attempt, worker, policy::outcome::error, read);
  }

  void lost(index item, std::uint32_t attempt, const trouble& why) override {
    if (why.how != policy::outcome::unsent) {
      verdict v = work_.fail(item, attempt, why);
      if (why.began != 0) times_ = {why.began, why.began, platform::now(), platform::now()};
      attempt_failed(item, attempt, why.worker, why.how, v, &why);
      return;
    }
    flush();
    --running_;
    if (attempt == 1) --started_;
    if (run_.ended(item, attempt, policy::outcome::unsent, false, 0, platform::now())) give_up(item, attempt);
  }

  void refused(index item, std::uint32_t attempt, verdict v) override {
    attempt_failed(item, attempt, -1, policy::outcome::error, v);
  }

  void value(index item, std::uint32_t attempt, int worker) {
    --running_;
    if (eyes_ != nullptr) attempt_ended(item, attempt, worker, policy::outcome::value, true);
    if (keeper_ != nullptr) {
      fresh_.push_back({item, attempt, worker});
      return;
    }
    if (each_ || attempt != 1) {
      if (!work_.settled(item, true, attempt, worker)) run_.stop();
      if (!each_) {
        flush();
        if (eyes_ == nullptr) ledger_.settled(worker, work_.items_in(item, 1));
        run_.succeeded(item, 1, work_.weighed());
        return;
      }
    }
    succeed(item, 1, worker);
  }

  void attempt_failed(index item, std::uint32_t attempt, int worker, policy::outcome how, const verdict& v,
                      const trouble* why = nullptr) {
    flush();
    --running_;
    bool final = run_.ended(item, attempt, how, v.retryable, v.server_wait, platform::now());
    if (eyes_ != nullptr) {
      if (how == policy::outcome::overtime) timed_out(item, attempt, *why);
      attempt_ended(item, attempt, worker, how, final);
      what_follows(item, attempt, final, v);
    } else if (final) {
      ledger_.settled(worker, work_.items_in(item, 1));
    } else {
      ledger_.again(worker);
    }
    if (final && !work_.settled(item, false, attempt, worker)) run_.stop();
  }

  /// Values in a row are told to the policy, and to a face that does not look at each, as one range.
  void succeed(index first, index n, int worker) {
    if (row_.count != 0 && first == row_.first + row_.count && worker == row_worker_) {
      row_.count += n;
      return;
    }
    flush();
    row_ = {first, n};
    row_worker_ = worker;
  }

  void flush() {
    if (row_.count == 0) return;
    stretch row = row_;
    row_ = {};
    if (eyes_ == nullptr) ledger_.settled(row_worker_, work_.items_in(row.first, row.count));
    if (!each_ && !work_.settled_values(row.first, row.count, row_worker_)) run_.stop();
    run_.succeeded(row.first, row.count, work_.weighed());
  }

  // ---- what those who watch are told

  void say(happening what) {
    if (what.at == 0) what.at = platform::now();
    ledger_.tell(what);
    if (!eyes_->tell(what)) run_.stop();
  }

  void attempt_ended(index item, std::uint32_t attempt, int worker, policy::outcome how, bool final) {
    happening what{happening::attempt_ended};
    what.at = platform::now();
    name(what, item, attempt);
    what.worker = worker;
    what.how = how;
    what.final = final;
    if (times_.written != 0) {
      what.times = sane(std::exchange(times_, {}), ledger_.begun(), what.at);
      work_.took(item, what.times.ran - what.times.running);
    }
    say(what);
  }

  void timed_out(index item, std::uint32_t attempt, const trouble& why) {
    happening what{happening::task_timed_out};
    name(what, item, attempt);
    what.worker = why.worker;
    what.pid = why.pid;
    what.until = why.limit;
    say(what);
  }

  void what_follows(index item, std::uint32_t attempt, bool final, const verdict& v) {
    if (!final) {
      happening what{happening::retry_scheduled};
      name(what, item, attempt + 1);
      what.until = run_.held_until();
      say(what);
    }
    if (v.server_wait > 0 && limited_) {
      happening what{happening::limiter_paused};
      what.until = policy::later(platform::now(), v.server_wait);
      say(what);
    }
  }

  /// Items, not tasks, are what the user knows.
  void name(happening& what, index task, std::uint32_t attempt) const {
    what.item = work_.items_in(0, task);
    what.count = work_.items_in(task, 1);
    what.attempt = attempt;
  }

  payload& work_;
  port& where_;
  policy::run run_;
  watch* const eyes_;
  ledger ledger_;
  std::function<bool(const word&)> hear_;
  phase_times times_;  ///< of the attempt that is told of next
  const bool each_, limited_;
  recorder* const keeper_;
  bool begun_ = false, told_end_ = false;
  bool ended_ = false;
  policy::status status_ = policy::status::completed;
  index running_ = 0;  ///< handed to the port and not yet told of
  index started_ = 0;
  index pull_size_ = 1;  ///< grows while the source is quick
  index handed_ = 0;     ///< items of a stream since the last look at the executor
  nanos until_ = policy::never;
  stretch row_;  ///< values not yet told to the policy
  int row_worker_ = -1;
  struct fresh {
    index item;
    std::uint32_t attempt;
    int worker;
  };
  std::vector<fresh> fresh_;  ///< values that have come and are not recorded yet
  std::vector<index> items_;
  std::deque<stretch> ready_;  ///< emitted, not yet handed out
};

driver::driver(payload& work, port& where, const policy::rules& rules, recorder* keeper, watch* eyes)
    : loop_(std::make_unique<loop>(work, where, rules, keeper, eyes)) {}
driver::~driver() = default;
policy::status driver::finish() { return loop_->finish(); }
driver::stretch driver::next() { return loop_->next(); }
driver::turned driver::turn(nanos at_most) { return loop_->turn(at_most); }
nanos driver::until() const { return loop_->until(); }
bool driver::arm(const detail::alarm* to) { return loop_->arm(to); }
driver::stretch driver::ready() { return loop_->ready(); }
void driver::arrived(const pulled& got) { loop_->arrived(got); }
void driver::consumed(index n, std::uint64_t bytes) { loop_->consumed(n, bytes); }
void driver::stop(bool hard) { loop_->stop(hard); }
void driver::listen(std::function<bool(const word&)> hear) { loop_->listen(std::move(hear)); }
void driver::left(policy::status how) { loop_->left(how); }
bool driver::ended() const { return loop_->ended(); }
policy::status driver::status() const { return loop_->status(); }
tally driver::count() const { return loop_->count(); }
insights driver::look() const { return loop_->look(); }

}  // namespace centimane::engine
