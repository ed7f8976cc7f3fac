// The parking protocol of src/thread/parking.hpp as a model, and every interleaving of it. Each step is one
// sequentially consistent operation of the protocol. A task may take for ever: in a state in which nobody can move but
// workers that run one, no task may be queued while a worker sleeps. Each rule is also broken in turn, to show that the
// model would notice.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr int workers = 2, submitters = 2, most = workers + submitters;

enum class fault {
  none,
  no_look_after_parking,
  no_look_after_empty_list,
  no_look_after_find,
  give_up_after_look,
  no_debt,
  no_word_after_claim
};

/// Where a thread is. Names as in parking.hpp.
enum step : int {
  // submitters
  push,
  read_searching,
  read_parked,
  ended,
  // workers
  pop,
  find_clear,
  find_look,
  try_search,
  park,
  give_up,
  look,
  leave,
  sleeping,
  running,
  // workers that take one and claim another (task_ring.hpp): between the two, nobody sees the second
  publish,
  claim_searching,
  claim_parked,
  claimed,
  // wake_one, by either
  wake_claim,
  wake_take,
  wake_clear,
  wake_look
};

struct actor {
  int at = 0, back = 0;    ///< back: where wake_one returns to
  bool searching = false;  ///< holds the flag
  bool owing = false;      ///< gave the flag up and then saw work
  bool in_list = false, rung = false;
};

struct world {
  std::array<actor, most> who{};
  std::uint8_t queued = 0, flag = 0;
  std::string key() const {
    std::string k{static_cast<char>(queued), static_cast<char>(flag)};
    for (const actor& a : who) {
      k += static_cast<char>(a.at);
      k += static_cast<char>(a.back);
      k += static_cast<char>(a.searching + 2 * a.in_list + 4 * a.rung + 8 * a.owing);
    }
    return k;
  }
  int parked() const {
    int n = 0;
    for (const actor& a : who) n += a.in_list;
    return n;
  }
};

/// All states that one step of thread i leads to; none: it cannot move.
std::vector<world> moves(const world& from, int i, fault broken) {
  std::vector<world> all;
  world w = from;
  actor& a = w.who[static_cast<std::size_t>(i)];
  const auto go = [&](int to) {
    a.at = to;
    all.push_back(w);
  };
  switch (a.at) {
    case push:
      ++w.queued;
      go(read_searching);
      break;
    case read_searching:
      go(w.flag != 0 ? ended : read_parked);
      break;
    case read_parked:
      a.back = ended;
      go(w.parked() == 0 ? ended : wake_claim);
      break;
    case ended:
      break;
    case pop:
      if (w.queued == 0) {
        // A searcher, or a worker that may not become one, parks; another tries to search first, or not: both happen.
        go(park);
        if (!a.searching) go(try_search);
      } else {
        --w.queued;
        go(a.searching ? find_clear : a.owing ? find_look : running);
        if (w.queued != 0) {
          --w.queued;
          go(publish);
        }
      }
      break;
    case publish:
      ++w.queued;
      go(broken == fault::no_word_after_claim ? claimed : claim_searching);
      break;
    case claim_searching:
      go(w.flag != 0 ? claimed : claim_parked);
      break;
    case claim_parked:
      a.back = claimed;
      go(w.parked() == 0 ? claimed : wake_claim);
      break;
    case claimed:
      go(a.searching ? find_clear : a.owing ? find_look : running);
      break;
    case find_clear:
      w.flag = 0;
      a.searching = false;
      go(broken == fault::no_look_after_find ? running : find_look);
      break;
    case find_look:
      a.back = running;
      a.owing = false;
      go(w.parked() != 0 && w.queued != 0 ? wake_claim : running);
      break;
    case try_search:
      if (w.flag == 0) {
        w.flag = 1;
        a.searching = true;
        go(pop);
      } else {
        go(park);
      }
      break;
    case park:
      a.in_list = true;
      a.rung = false;
      a.owing = false;
      go(broken == fault::give_up_after_look ? look : give_up);
      break;
    case give_up:
      if (a.searching) {
        w.flag = 0;
        a.searching = false;
      }
      go(broken == fault::no_look_after_parking || broken == fault::give_up_after_look ? sleeping : look);
      break;
    case look:
      if (broken == fault::give_up_after_look) {
        go(w.queued != 0 ? leave : give_up);
      } else {
        a.owing = w.queued != 0 && broken != fault::no_debt;
        go(w.queued != 0 ? leave : sleeping);
      }
      break;
    case leave:
      if (a.in_list) {
        a.in_list = false;
      } else {
        a.searching = true;  // was chosen
      }
      go(pop);
      break;
    case running:
      go(pop);
      break;
    case sleeping:
      if (a.rung) go(leave);
      break;
    case wake_claim:
      if (w.flag != 0) {
        go(a.back);
      } else {
        w.flag = 1;
        go(wake_take);
      }
      break;
    case wake_take: {
      bool found = false;
      for (std::size_t j = 0; j < w.who.size(); ++j) {
        if (!from.who[j].in_list) continue;
        world next = w;
        next.who[j].in_list = false;
        next.who[j].rung = true;
        next.who[static_cast<std::size_t>(i)].at = a.back;
        all.push_back(next);
        found = true;
      }
      if (!found) go(wake_clear);
      break;
    }
    case wake_clear:
      w.flag = 0;
      go(broken == fault::no_look_after_empty_list ? a.back : int{wake_look});
      break;
    case wake_look:
      go(w.parked() == 0 || w.queued == 0 ? a.back : int{wake_claim});
      break;
    default:
      break;
  }
  return all;
}

/// Goes through all histories; answers how many states there are, and in how many of them tasks lie beside sleepers for
/// ever.
std::pair<std::size_t, std::size_t> explore(fault broken) {
  world first;
  for (int i = 0; i < most; ++i) first.who[static_cast<std::size_t>(i)].at = i < submitters ? push : pop;
  std::set<std::string> seen{first.key()};
  std::vector<world> open{first};
  std::size_t stuck = 0;
  while (!open.empty()) {
    const world w = open.back();
    open.pop_back();
    bool moved = false;
    for (int i = 0; i < most; ++i) {
      for (const world& next : moves(w, i, broken)) {
        moved = moved || w.who[static_cast<std::size_t>(i)].at != running;
        if (seen.insert(next.key()).second) open.push_back(next);
      }
    }
    if (!moved && (w.flag != 0 || (w.queued != 0 && w.parked() != 0))) ++stuck;
  }
  return {seen.size(), stuck};
}

TEST(ParkingModel, NobodySleepsBesideWork) {
  const auto [states, stuck] = explore(fault::none);
  RecordProperty("states", static_cast<int>(states));
  EXPECT_GT(states, 1000U);
  EXPECT_EQ(stuck, 0U);
}

TEST(ParkingModel, EachBrokenRuleIsNoticed) {
  for (const fault broken : {fault::no_look_after_parking, fault::no_look_after_empty_list, fault::no_look_after_find,
                             fault::give_up_after_look, fault::no_debt, fault::no_word_after_claim}) {
    EXPECT_GT(explore(broken).second, 0U) << "fault " << static_cast<int>(broken);
  }
}

}  // namespace
