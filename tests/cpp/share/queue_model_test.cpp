// The queue's protocol (share/queue_core, share/eventcount) as a model, and every interleaving of it, with a death at
// any step. Each step is one sequentially consistent operation, which is what the code asks for. Without deaths sleeps
// have no end: whoever is forgotten, sleeps for ever, and is found. With them a sleep may end by itself, as a slice
// does, and from every state all must still be able to come to an end. In every state each item that was put is in one
// place: in the queue, in somebody's hand, or delivered. Each rule is also broken in turn, to show that the model would
// notice.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

enum class fault : std::uint8_t {
  none,
  no_look_after_announcing,
  seen_after_announcing,
  answered_though_one_woke,
  rings_before_commit,
  commits_before_copy,
  head_before_copy,
  no_change_of_the_word,
};

constexpr int most_actors = 4, most_items = 4;
enum bell : std::uint8_t { items = 0, room = 1 };

/// Where an actor is; producers and consumers share what is about locks and bells.
enum step : std::uint8_t {
  take_lock,
  copy,
  commit,
  unlock,
  unlock_empty_handed,
  ring_awaited,
  ring_change,
  ring_wake,
  ring_answer,
  deliver,
  pass_on,
  wait_seen,
  wait_announce,
  wait_look,
  wait_sleep,
  asleep,
  ended,
  dead
};

struct actor {
  step at = take_lock;
  std::uint8_t left = 0;   ///< items that a producer has still to put
  std::uint8_t hand = 0;   ///< the item, 1…; 0: none
  std::uint8_t rings = 0;  ///< which bell
  std::uint8_t after = 0;  ///< where it goes on once it has rung
  bool waited = false, early = false, sleeps_due = false;
  bool seen_is_new = false;  ///< the bell has not been rung since it was read
  bool upto_is_new = false;  ///< nobody has announced himself since it was read
};

struct world {
  std::array<actor, most_actors> who{};
  std::array<std::uint8_t, most_items> slot{};  ///< what lies in the ring, by its count
  std::array<std::uint8_t, most_items + 1> delivered{};
  std::uint8_t tail = 0, head = 0, next = 1, deaths = 0;
  std::array<std::uint8_t, 2> lock{};  ///< who has it, 1…
  std::array<bool, 2> answered{true, true};

  [[nodiscard]] std::string key() const {
    std::string k;
    for (const actor& a : who) {
      k += static_cast<char>(a.at);
      k += static_cast<char>(a.left * 16 + a.hand);
      k += static_cast<char>(a.rings + 2 * a.waited + 4 * a.seen_is_new + 8 * a.upto_is_new + 16 * a.early +
                             32 * a.sleeps_due);
      k += static_cast<char>(a.after);
    }
    for (const std::uint8_t s : slot) k += static_cast<char>(s);
    for (const std::uint8_t d : delivered) k += static_cast<char>(d);
    for (const std::uint8_t v : {tail, head, next, deaths, lock[0], lock[1]}) k += static_cast<char>(v);
    k += static_cast<char>(answered[0] + 2 * answered[1]);
    return k;
  }
};

struct plan {
  int producers, consumers;
  std::uint8_t each, most_in;
  std::uint8_t deaths = 0;
  fault broken = fault::none;

  [[nodiscard]] bool produces(int i) const { return i < producers; }
  [[nodiscard]] int all() const { return producers + consumers; }
};

bool fits(const world& w, const plan& p) { return w.tail - w.head < p.most_in; }
bool there(const world& w) { return w.tail != w.head; }

/// All states that one step of actor i leads to; none: it cannot move.
std::vector<world> moves(const world& from, int i, const plan& p) {
  std::vector<world> all;
  world w = from;
  actor& a = w.who[static_cast<std::size_t>(i)];
  const bool produces = p.produces(i);
  const std::size_t side = produces ? 0 : 1;
  const bell mine = produces ? room : items, other = produces ? items : room;
  const auto go = [&](step to) {
    a.at = to;
    all.push_back(w);
  };
  const auto good = [&] { return produces ? fits(w, p) : there(w); };
  const auto begin = [&] {  // the next item, if there is one
    a.waited = a.early = false;
    go(produces && a.left == 0 ? ended : take_lock);
  };
  const auto ring = [&](bell which, step after) {
    a.rings = which;
    a.after = after;
    go(ring_awaited);
  };
  const auto put_in_ring = [&] { w.slot[w.tail % most_items] = a.hand; };
  const auto take_out = [&] {
    a.hand = w.slot[(p.broken == fault::head_before_copy ? w.head - 1 : w.head) % most_items];
  };
  switch (a.at) {
    case take_lock:
      if (w.lock[side] != 0) break;
      w.lock[side] = static_cast<std::uint8_t>(i + 1);
      // What it looks at next others can change only so that it finds more: one step with the lock.
      if (!good()) {
        go(unlock_empty_handed);
      } else {
        if (produces) {
          --a.left;
          a.hand = w.next++;
        }
        if (p.broken == fault::rings_before_commit && !a.early) {
          a.early = true;
          ring(other, p.broken == fault::commits_before_copy ? commit : copy);
        } else {
          go(p.broken == fault::commits_before_copy || p.broken == fault::head_before_copy ? commit : copy);
        }
      }
      break;
    case copy:
      produces ? put_in_ring() : take_out();
      if (p.deaths == 0 && p.broken == fault::none) {  // under its lock, where nobody but a death comes in between
        produces ? ++w.tail : ++w.head;
        if (produces) a.hand = 0;
        w.lock[side] = 0;
        ring(other, pass_on);
        break;
      }
      if (p.broken == fault::commits_before_copy && produces) {
        a.hand = 0;
        w.slot[(w.tail - 1) % most_items] = w.slot[w.tail % most_items];
      }
      go(p.broken == fault::commits_before_copy || p.broken == fault::head_before_copy ? unlock : commit);
      break;
    case commit:
      if (produces) {
        if (p.broken != fault::commits_before_copy) a.hand = 0;
        ++w.tail;
        go(p.broken == fault::commits_before_copy ? copy : unlock);
      } else {
        ++w.head;
        go(p.broken == fault::commits_before_copy || p.broken == fault::head_before_copy ? copy : unlock);
      }
      break;
    case unlock:
      w.lock[side] = 0;
      if (a.early)
        go(pass_on);
      else
        ring(other, pass_on);
      break;
    case unlock_empty_handed:
      w.lock[side] = 0;
      go(wait_seen);
      break;
    // ---- eventcount::ring
    case ring_awaited:  // and reads whose announcements it answers: one that comes in between might as well have come
                        // before
      a.upto_is_new = !w.answered[a.rings];
      go(a.upto_is_new ? ring_change : static_cast<step>(a.after));
      break;
    case ring_change:
      if (p.broken != fault::no_change_of_the_word) {
        for (int k = 0; k < p.all(); ++k) {
          actor& sleeper = w.who[static_cast<std::size_t>(k)];
          if ((p.produces(k) ? room : items) == a.rings) sleeper.seen_is_new = false;
        }
      }
      go(ring_wake);
      break;
    case ring_wake: {
      bool woke = false;
      for (int k = 0; k < p.all(); ++k) {  // any of those who sleep
        if (from.who[static_cast<std::size_t>(k)].at != asleep || (p.produces(k) ? room : items) != a.rings) continue;
        woke = true;
        world awake = from;
        actor& sleeper = awake.who[static_cast<std::size_t>(k)];
        sleeper.at = take_lock;
        sleeper.waited = true;
        actor& me = awake.who[static_cast<std::size_t>(i)];
        me.at = p.broken == fault::answered_though_one_woke ? ring_answer : static_cast<step>(me.after);
        all.push_back(awake);
      }
      if (!woke) go(ring_answer);
      break;
    }
    case ring_answer:
      w.answered[a.rings] = a.upto_is_new;
      go(static_cast<step>(a.after));
      break;
    // ---- after it
    case pass_on:
      if (a.waited && good()) {
        a.waited = false;
        ring(mine, deliver);
      } else {
        go(deliver);
      }
      break;
    case deliver:  // the user's own code, which may take for ever
      if (!produces) {
        ++w.delivered[a.hand];
        a.hand = 0;
      }
      begin();
      break;
    // ---- the wait
    case wait_seen:
      if (p.broken == fault::seen_after_announcing && !a.sleeps_due) {
        a.sleeps_due = true;
        go(wait_announce);
        break;
      }
      a.sleeps_due = false;
      a.seen_is_new = true;
      go(p.broken == fault::seen_after_announcing ? wait_look : wait_announce);
      break;
    case wait_announce:
      w.answered[mine] = false;
      for (actor& ringer : w.who) {
        if (ringer.rings == mine) ringer.upto_is_new = false;
      }
      if (p.broken == fault::seen_after_announcing)
        go(wait_seen);
      else
        go(p.broken == fault::no_look_after_announcing ? wait_sleep : wait_look);
      break;
    case wait_look:
      go(good() ? take_lock : wait_sleep);
      break;
    case wait_sleep:
      a.waited = !a.seen_is_new;
      go(a.seen_is_new ? asleep : take_lock);
      break;
    case asleep:
      if (p.deaths == 0) break;
      a.waited = true;  // the slice ends
      go(take_lock);
      break;
    case ended:
    case dead:
      break;
  }
  return all;
}

/// What a death leaves: the kernel lets go of the lock.
world death(const world& from, int i, const plan& p) {
  world w = from;
  actor& a = w.who[static_cast<std::size_t>(i)];
  const std::size_t side = p.produces(i) ? 0 : 1;
  if (w.lock[side] == i + 1) w.lock[side] = 0;
  a.at = dead;
  ++w.deaths;
  return w;
}

/// Is each item that was put in one place, and whole?
bool kept(const world& w, const plan& p) {
  std::array<int, most_items + 1> places{};
  for (std::uint8_t k = w.head; k != w.tail; ++k) ++places[w.slot[k % most_items]];
  std::array<bool, most_items + 1> being_put{};
  for (int i = 0; i < p.all(); ++i) {
    const actor& a = w.who[static_cast<std::size_t>(i)];
    if (p.produces(i)) {
      being_put[a.hand] = true;
    } else if (a.hand != 0 && w.lock[1] != i + 1) {
      ++places[a.hand];  // copied and committed
    } else if (a.hand != 0 && a.at == unlock) {
      ++places[a.hand];
    }
  }
  if (places[0] != 0) return false;  // something that nobody has put
  for (std::uint8_t k = 1; k < w.next; ++k) {
    places[k] += w.delivered[k];
    if (places[k] != (being_put[k] ? 0 : 1)) return false;
  }
  return true;
}

/// A consumer that dies with a copy of what it has not committed holds nothing.
world without_uncommitted(world w, int i, const plan& p, step died_at) {
  actor& a = w.who[static_cast<std::size_t>(i)];
  if (!p.produces(i) && died_at == commit) a.hand = 0;
  return w;
}

/// The same state without what does not matter any more where an actor is.
world plain(world w) {
  for (actor& a : w.who) {
    const bool rings = a.at == ring_awaited || a.at == ring_change || a.at == ring_wake || a.at == ring_answer;
    const bool waits = a.at == wait_announce || a.at == wait_look || a.at == wait_sleep || a.at == wait_seen;
    if (!rings) a.rings = a.after = 0;
    if (!rings || a.at == ring_awaited) a.upto_is_new = false;
    if (!waits) a.seen_is_new = false;
    if (a.at == ended || a.at == dead || a.at == asleep || waits) a.waited = false;
  }
  for (std::uint8_t k = 0; k < most_items; ++k) {
    const bool full = static_cast<std::uint8_t>(k - w.head) % most_items < static_cast<std::uint8_t>(w.tail - w.head);
    if (!full && w.lock[0] == 0 && w.lock[1] == 0) w.slot[k] = 0;
  }
  return w;
}

/// Has everybody who lives come to an end, or to a sleep that is right?
bool finished(const world& w, const plan& p) {
  bool consumer = false, producer = false;
  for (int i = 0; i < p.all(); ++i) {
    const actor& a = w.who[static_cast<std::size_t>(i)];
    if (a.at == dead) continue;
    (p.produces(i) ? producer : consumer) = true;
    if (p.produces(i) ? a.at != ended && !(a.at == asleep && !fits(w, p)) : a.at != asleep) return false;
  }
  if (consumer && there(w)) return false;
  if (!consumer || !producer) return true;
  for (int i = 0; i < p.producers; ++i) {
    const step at = w.who[static_cast<std::size_t>(i)].at;
    if (at != ended && at != dead) return false;
  }
  return true;
}

/// Everybody sleeps, has ended, or is in the user's code for ever, and a consumer sleeps beside an item.
bool idles(const world& w, const plan& p) {
  bool sleeper = false;
  for (int i = 0; i < p.all(); ++i) {
    const actor& a = w.who[static_cast<std::size_t>(i)];
    if (a.at != asleep && a.at != ended && (p.produces(i) || a.at != deliver)) return false;
    sleeper = sleeper || (!p.produces(i) && a.at == asleep);
  }
  return sleeper && there(w);
}

/// Nothing: it holds in every state. Else what does not.
std::string explore(const plan& p, std::size_t* states = nullptr) {
  world first;
  for (int i = 0; i < most_actors; ++i) {
    actor& a = first.who[static_cast<std::size_t>(i)];
    if (i >= p.all()) a.at = ended;
    if (p.produces(i)) a.left = p.each;
  }
  std::unordered_map<std::string, std::size_t> known{{first.key(), 0}};
  std::vector<world> all{first};
  std::vector<std::vector<std::size_t>> before(1);
  std::vector<std::size_t> good;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const world here = all[n];
    if (!kept(here, p)) return "an item is lost, doubled or damaged";
    if (p.deaths == 0 && idles(here, p)) return "a consumer sleeps beside an item";
    std::vector<world> next;
    for (int i = 0; i < p.all(); ++i) {
      for (world& w : moves(here, i, p)) next.push_back(w);
    }
    if (finished(here, p)) {
      good.push_back(n);
    } else if (next.empty()) {
      return "somebody sleeps for ever";
    }
    for (int i = 0; i < p.all() && here.deaths < p.deaths; ++i) {
      const step at = here.who[static_cast<std::size_t>(i)].at;
      if (at != ended && at != dead) next.push_back(without_uncommitted(death(here, i, p), i, p, at));
    }
    for (const world& w : next) {
      const auto [it, is_new] = known.try_emplace(plain(w).key(), all.size());
      if (is_new) {
        all.push_back(plain(w));
        before.emplace_back();
      }
      before[it->second].push_back(n);
    }
  }
  std::vector<bool> ends(all.size(), false);
  std::deque<std::size_t> open;
  for (const std::size_t n : good) {
    ends[n] = true;
    open.push_back(n);
  }
  while (!open.empty()) {
    const std::size_t n = open.front();
    open.pop_front();
    for (const std::size_t b : before[n]) {
      if (ends[b]) continue;
      ends[b] = true;
      open.push_back(b);
    }
  }
  if (states != nullptr) *states = all.size();
  for (const bool e : ends) {
    if (!e) return "from here nobody can come to an end";
  }
  return {};
}

TEST(queue_model, nobody_is_forgotten_and_nothing_lost) {
  for (const plan& p : {plan{1, 1, 3, 1}, plan{1, 1, 3, 2}, plan{1, 2, 2, 2}, plan{2, 1, 1, 1}}) {
    std::size_t states = 0;
    EXPECT_EQ(explore(p, &states), "") << p.producers << " producers, " << p.consumers << " consumers";
    EXPECT_GT(states, 100U);
  }
}

TEST(queue_model, a_death_at_any_step_stops_nobody) {
  for (const plan& p : {plan{1, 1, 2, 1, 1}, plan{1, 1, 3, 2, 2}, plan{1, 2, 1, 1, 1}}) {
    EXPECT_EQ(explore(p), "") << p.producers << " producers, " << p.consumers << " consumers";
  }
}

TEST(queue_model, would_notice_each_broken_rule) {
  const auto noticed = [](fault broken) {
    for (plan p : {plan{1, 1, 2, 1}, plan{1, 1, 2, 1, 1}, plan{1, 2, 1, 1}, plan{1, 2, 2, 2}, plan{2, 1, 1, 1}}) {
      p.broken = broken;
      if (!explore(p).empty()) return true;
    }
    return false;
  };
  EXPECT_TRUE(noticed(fault::no_look_after_announcing));
  EXPECT_TRUE(noticed(fault::seen_after_announcing));
  EXPECT_TRUE(noticed(fault::answered_though_one_woke));
  EXPECT_TRUE(noticed(fault::rings_before_commit));
  EXPECT_TRUE(noticed(fault::commits_before_copy));
  EXPECT_TRUE(noticed(fault::head_before_copy));
  EXPECT_TRUE(noticed(fault::no_change_of_the_word));
}

}  // namespace
