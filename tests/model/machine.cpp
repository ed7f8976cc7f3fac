#include "model/machine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" const char __executable_start;  // where the linker put the program

namespace centimane::model {
namespace {

constexpr const char* order_names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};

std::uintptr_t site_of(const void* from) {
  return reinterpret_cast<std::uintptr_t>(from) - reinterpret_cast<std::uintptr_t>(&__executable_start);
}

}  // namespace

machine& the_machine() {
  static machine m;
  return m;
}

// ---- runs

finding machine::explore(const program& p, const settings& s) {
  program_ = p;
  settings_ = s;
  found_ = {};
  visited_ = {};
  sites_.clear();
  telling_ = false;
  memory_.forget();
  run();
  while (found_.fault.empty() && visited_.size() <= settings_.most_states) {
    while (open_ > 0 && forks_[open_ - 1].taken + 1 == forks_[open_ - 1].of) --open_;
    if (open_ == 0) {
      found_.complete = true;
      break;
    }
    fork& f = forks_[open_ - 1];
    ++f.taken;
    put_back(f);
    ++found_.runs;
    running_ = true;
    outside_.leave_for(f.resume);
    running_ = false;
  }
  found_.states = visited_.size();
  if (!found_.fault.empty()) {
    repeated_.clear();
    for (std::size_t k = 0; k < open_; ++k) repeated_.push_back(forks_[k].taken);
    telling_ = true;
    run();
    found_.history = tell();
  }
  return std::move(found_);
}

/// From the start until the run ends.
void machine::run() {
  memory_.reset();
  now_ = {};
  now_.spurious_left = settings_.spurious;
  open_ = 0;
  events_.clear();
  events_.reserve(settings_.longest);
  plain_.clear();
  fibers_[driver].prepare(main_of_driver);
  fibers_[worker].prepare(main_of_worker);
  ++found_.runs;
  running_ = true;
  outside_.leave_for(fibers_[driver]);
  running_ = false;
}

void machine::main_of_driver() {
  machine& m = the_machine();
  m.program_.begin();
  m.memory_.set_up();
  m.memory_.learn(worker, driver);
  m.now_.alone = false;
  m.program_.drive();
  m.end_thread();
}

void machine::main_of_worker() {
  machine& m = the_machine();
  m.program_.work();
  m.end_thread();
}

/// Leaves this run.
void machine::drop() { outside_.go_on(); }

void machine::fail(const std::string& fault) {
  if (found_.fault.empty()) found_.fault = fault;
  drop();
}

// ---- who goes on, and how

/// How many ways the access can turn out now. The way 0 is the one with the newest value.
unsigned machine::ways(const access& next) const {
  const location x = next.x;
  switch (next.what) {
    case kind::load:
      return memory_.latest(x) - memory_.oldest(now_.self, x, next.with) + 1U;
    case kind::exchange_if: {
      // The exchange itself, if it can be; then, perhaps, a failure for no reason; then each value it can fail on.
      const bool can = memory_.value(x, memory_.latest(x)) == next.expected;
      unsigned n = can ? 1U + (next.weak && now_.spurious_left > 0 ? 1U : 0U) : 0U;
      for (stamp k = memory_.oldest(now_.self, x, next.otherwise); k <= memory_.latest(x); ++k) {
        n += memory_.value(x, k) != next.expected ? 1U : 0U;
      }
      return n;
    }
    default:
      return 1;
  }
}

bool machine::can_run(thread t) const {
  const context& c = now_.all[t];
  return c.how == standing::free || (c.how == standing::blocked && c.next.ready());
}

/// Would `waiting` turn out differently before and after what the other thread has just done?
bool machine::matters(const access& waiting, const access& done, bool wrote) const {
  if (waiting.what == kind::call && (waiting.object & done.object) != 0) return true;
  if (!waiting.has_word || !done.has_word || waiting.x != done.x) return false;
  const bool reads_only = waiting.what == kind::load || waiting.what == kind::call;
  if (reads_only) return wrote;
  return wrote || done.what != kind::load || done.with == order::seq_cst;
}

/// One of n ways, at a point of this kind of the run; leaves the run if it has come here before.
unsigned machine::decide(unsigned n, unsigned where) {
  if (n == 1) return 0;
  if (!telling_) {
    running_ = false;  // what is read here is read by us
    std::uint64_t h = where << 8 | now_.spurious_left << 2 | (now_.dead ? 2U : 0U) | now_.self;
    for (const context& c : now_.all) h = mix(mix(h, c.history), static_cast<std::uint64_t>(c.how));
    for (const auto& part : program_.parts) h = mix(h, part);
    if (!visited_.insert(mix(h, memory_.state()))) drop();
    running_ = true;
  }
  return take(n);
}

/// One of n ways: the first for now. The others are taken later, from here.
unsigned machine::take(unsigned n) {
  if (telling_) return now_.decided < repeated_.size() ? repeated_[now_.decided++] : 0;
  if (open_ == forks_.size()) forks_.emplace_back();
  fork& f = forks_[open_++];
  f.taken = 0;
  f.of = n;
  if (_setjmp(f.resume) != 0) return forks_[open_ - 1].taken;
  put_aside(f);
  return 0;
}

void machine::put_aside(fork& f) {
  running_ = false;  // these copies are our own
  fibers_[now_.self].stands_here();
  f.pieces = {{memory_.saved(), memory_.saved_size()}, {memory::data(), memory::size}};
  f.pieces.push_back(std::as_writable_bytes(std::span(&now_, 1)));
  for (fiber& one : fibers_) {
    f.pieces.push_back(one.position());
    f.pieces.push_back(one.stack());
  }
  f.pieces.insert(f.pieces.end(), program_.parts.begin(), program_.parts.end());
  f.bytes.clear();
  for (const auto& piece : f.pieces) f.bytes.insert(f.bytes.end(), piece.begin(), piece.end());
  running_ = true;
}

void machine::put_back(fork& f) {
  const std::byte* from = f.bytes.data();
  for (const auto& piece : f.pieces) {
    std::memcpy(piece.data(), from, piece.size());
    from += piece.size();
  }
}

/// Decides when the calling thread's next access takes place, and how: returns then.
unsigned machine::pass(const access& next) {
  if (++now_.steps > settings_.longest) fail("goes round in circles");
  if (now_.alone) return 0;
  context& c = now_.all[now_.self];
  c.next = next;
  const bool owned = next.what != kind::call && next.what != kind::exchange_if && next.what != kind::update &&
                     next.what == kind::load && memory_.owned(now_.self, next.x);
  const bool ready = next.ready == nullptr || next.ready();
  const unsigned now = ready ? ways(next) : 1;
  const bool mortal = settings_.mortal && now_.self == worker && next.what != kind::load;
  const bool touches = next.object != no_object || next.has_word;
  const bool later = ready && touches && !owned && can_run(static_cast<thread>(1 - now_.self));
  const unsigned taken = decide(now + (mortal ? 1U : 0U) + (later ? 1U : 0U), 1);
  if (mortal && taken == now) die();
  if (taken >= now) {
    wait_for_turn(standing::later);
    return 0;  // the newest: what was there before was tried
  }
  if (!ready) wait_for_turn(standing::blocked);
  return taken;
}

/// Lets the other thread run; returns when the calling thread is to go on.
void machine::wait_for_turn(standing how) {
  context& c = now_.all[now_.self];
  c.how = how;
  const auto other = static_cast<thread>(1 - now_.self);
  if (!can_run(other)) {
    if (how == standing::blocked && c.next.ready()) {
      c.how = standing::free;
      return;
    }
    if (how == standing::later || now_.all[other].how == standing::later)
      drop();  // belongs to a history seen elsewhere
    if (how != standing::ended || now_.all[other].how != standing::ended)
      fail("lost wake-up: both ends wait for each other");
    now_.alone = true;
    now_.self = driver;
    program_.end();
    if (memory_.bypassed()) fail("an atomic word was stored to past the model");
    drop();
  }
  now_.self = other;
  fibers_[1 - other].leave_for(fibers_[other]);
  c.how = standing::free;
}

/// The calling thread has just done that. If the other thread waits for such a thing, it may go on now, or wait for
/// the next.
void machine::made(const access& what, bool wrote) {
  if (now_.alone) return;
  const auto other = static_cast<thread>(1 - now_.self);
  if (now_.all[other].how != standing::later || !matters(now_.all[other].next, what, wrote)) return;
  now_.all[other].how = standing::free;  // as it is if it goes on
  const unsigned stays = decide(2, 2);
  if (stays != 0) {
    now_.all[other].how = standing::later;
    return;
  }
  now_.self = other;
  fibers_[1 - other].leave_for(fibers_[other]);
}

void machine::end_thread() {
  now_.all[now_.self].how = standing::ended;
  made({kind::call, 0, order::relaxed, order::relaxed, 0, false, false, the_end}, false);
  wait_for_turn(standing::ended);
  std::abort();
}

void machine::die() {
  now_.dead = true;
  told(worker, "dies");
  end_thread();
}

/// Before an effect that takes place at once.
void machine::may_die() {
  if (settings_.mortal && now_.self == worker && !now_.alone && take(2) == 1) die();
}

// ---- what the program asks

unsigned machine::choose(unsigned n) {
  const unsigned taken = take(n);
  remember(8, taken);
  return taken;
}

bool machine::worker_ended() {
  call("looks whether the worker has ended", the_end);
  const bool ended = now_.all[worker].how == standing::ended;
  if (ended) memory_.learn(driver, worker);
  called(ended ? (now_.dead ? 2U : 1U) : 0U);
  return ended;
}

void machine::join_worker() {
  call("waits for the worker's end", no_object, [] { return the_machine().now_.all[worker].how == standing::ended; });
  memory_.learn(driver, worker);
  called();
}

bool machine::for_no_reason() {
  if (now_.spurious_left == 0 || choose(2) == 0) return false;
  --now_.spurious_left;
  return true;
}

// ---- accesses

std::uint64_t machine::load(const void* p, std::size_t bytes, order o, const void* from) {
  if (plain(p)) {
    read(p, bytes);
    return bytes == 8 ? *static_cast<const std::uint64_t*>(p) : *static_cast<const std::uint32_t*>(p);
  }
  o = weakened(o, from);
  const location x = memory_.at(p, bytes);
  met(from, "load", x, o, order::relaxed);
  const access what{kind::load, x, o};
  const unsigned way = pass(what);
  const auto n = static_cast<stamp>(memory_.latest(x) - way);
  memory_.load(now_.self, x, n, o);
  const std::uint64_t value = memory_.value(x, n);
  remember(1, value);
  note("load", x, value, n, o);
  made(what, false);
  return value;
}

void machine::store(void* p, std::size_t bytes, std::uint64_t value, order o, const void* from) {
  o = weakened(o, from);
  const location x = memory_.at(p, bytes);
  met(from, "store", x, o, order::relaxed);
  if (plain(p)) fail("an atomic store where plain bytes lie");
  const access what{kind::store, x, o};
  if (o == order::seq_cst) {
    pass(what);
  } else {
    may_die();
  }
  memory_.store(now_.self, x, value, o);
  remember(2, 0);
  note("store", x, value, memory_.latest(x), o);
  made(what, true);
}

std::uint64_t machine::update(void* p, std::size_t bytes, order o, const void* from,
                              std::uint64_t (*how)(std::uint64_t, std::uint64_t), std::uint64_t with) {
  o = weakened(o, from);
  const location x = memory_.at(p, bytes);
  met(from, "update", x, o, order::relaxed);
  const access what{kind::update, x, o};
  pass(what);
  const stamp n = memory_.latest(x);
  const std::uint64_t old = memory_.value(x, n);
  memory_.update(now_.self, x, how(old, with), o);
  remember(3, old);
  note("update", x, how(old, with), n, o);
  made(what, true);
  return old;
}

bool machine::exchange_if(void* p, std::size_t bytes, std::uint64_t& expected, std::uint64_t desired, order success,
                          order failure, bool weak, const void* from) {
  success = weakened(success, from);
  failure = weakened(failure, from);
  const location x = memory_.at(p, bytes);
  met(from, "exchange", x, success, failure);
  const access what{kind::exchange_if, x, success, failure, expected, weak};
  unsigned way = pass(what);
  stamp n = memory_.latest(x);
  const bool can = memory_.value(x, n) == expected;
  if (can && way == 0) {
    memory_.update(now_.self, x, desired, success);
    remember(4, 0);
    note("exchange", x, desired, n, success);
    made(what, true);
    return true;
  }
  if (can) --way;
  if (can && weak && now_.spurious_left > 0) {
    if (way == 0) {
      --now_.spurious_left;
      remember(5, 0);
      note("exchange fails for no reason", x, expected, n, failure);
      memory_.load(now_.self, x, n, failure);
      made({kind::load, x, failure}, false);
      return false;
    }
    --way;
  }
  for (;; --n) {
    if (memory_.value(x, n) != expected && way-- == 0) break;
  }
  memory_.load(now_.self, x, n, failure);
  expected = memory_.value(x, n);
  remember(6, expected);
  note("exchange fails", x, expected, n, failure);
  made({kind::load, x, failure}, false);
  return false;
}

void machine::read(const void* p, std::size_t bytes) {
  memory_.read(now_.self, p, bytes);
  remember(11, 0);
  check_memory();
}

void machine::write(void* p, std::size_t bytes) {
  may_die();
  memory_.write(now_.self, p, bytes);
  remember(9, 0);
  check_memory();
}

// ---- the kernel's

void machine::call(const char* name, unsigned object, bool (*ready)(), const void* word) {
  access what{kind::call, 0, order::relaxed, order::relaxed, 0, false, word != nullptr, object, ready};
  if (word != nullptr) what.x = memory_.at(word, 4);
  pass(what);
  now_.all[now_.self].next = what;
  told(now_.self, name);
}

void machine::called(std::uint64_t answer) {
  remember(7, answer);
  const access what = now_.all[now_.self].next;
  made(what, false);
}

std::uint64_t machine::newest(const void* p, std::size_t bytes) {
  const location x = memory_.at(p, bytes);
  return memory_.value(x, memory_.latest(x));
}

// ---- weakened orders, and what is told

order machine::weakened(order o, const void* from) const {
  for (const weaker& w : settings_.weakened) {
    if (w.from == o && w.site == site_of(from)) return w.to;
  }
  return o;
}

void machine::met(const void* from, const char* what, location x, order first, order second) {
  check_memory();
  if (!settings_.list_sites) return;
  const site s{site_of(from), what, program_.name(memory_.place(x)), now_.self, first, second};
  const bool known = std::any_of(sites_.begin(), sites_.end(), [&](const site& o) {
    return o.at == s.at && o.by == s.by && o.first == s.first && o.word == s.word;
  });
  if (!known && !now_.alone) sites_.push_back(s);
}

bool machine::plain(const void* p) const noexcept {
  return std::any_of(plain_.begin(), plain_.end(), [p](const auto& part) {
    return p >= part.first && p < static_cast<const std::byte*>(part.first) + part.second;
  });
}

void machine::note(const char* what, location x, std::uint64_t value, stamp read, order o) {
  if (telling_) events_.push_back({now_.self, what, memory_.place(x), value, read, memory_.latest(x), o});
  check_memory();
}

std::string machine::tell() const {
  std::string all;
  for (const event& e : events_) {
    char line[200];
    if (e.place == nullptr) {
      std::snprintf(line, sizeof line, "%-7s %s\n", e.by == driver ? "driver" : "worker", e.what);
    } else {
      std::snprintf(line, sizeof line, "%-7s %s %s = %x:%x (%s)%s\n", e.by == driver ? "driver" : "worker", e.what,
                    program_.name(e.place).c_str(), static_cast<unsigned>(e.value >> 32),
                    static_cast<unsigned>(e.value), order_names[static_cast<int>(e.with)],
                    e.read < e.newest && e.what[0] == 'l' ? ", not the newest" : "");
    }
    all += line;
  }
  return all;
}

}  // namespace centimane::model
