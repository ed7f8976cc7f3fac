// Two threads, driver and worker, over one modelled memory. Every access that either makes comes here before it takes
// place; the machine decides which thread goes on, what a load reads, whether the worker dies, and explores all of it.
// How accesses get here: instrumentation.cpp. System calls: kernel.cpp.
//
// It goes through classes of histories, not histories: two that differ only in the order of accesses which do not touch
// each other are one. So a thread runs on until it waits, and each of its accesses takes place at once or, which is the
// other way, after the next access of the other thread that makes a difference to it: for a load the next store to its
// word, for a sequentially consistent store the next sequentially consistent load, for a read-modify-write either. A
// store that is not sequentially consistent takes place at once: a load may pass it over as long as nothing has made it
// known. A thread that was told to wait, and for which nothing came, belongs to a history that is seen elsewhere.
//
// What has not happened to anybody but its own thread does not matter to a death: so the worker may die before each of
// its effects (a store, a write, a system call, the end of a sleep), which is the same as before each of its accesses.
#pragma once
#include <setjmp.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/fiber.hpp"
#include "model/memory.hpp"
#include "model/mix.hpp"
#include "model/visited.hpp"

namespace centimane::model {

inline constexpr thread driver = 0, worker = 1;

/// An order that is weakened: at this place of the program (see sites()), `from` becomes `to`.
struct weaker {
  std::uintptr_t site;
  order from, to;
};

struct settings {
  bool mortal = false;     ///< the worker may die
  unsigned spurious = 0;   ///< how often a weak compare-exchange may fail, or a sleep end, for no reason
  unsigned longest = 600;  ///< accesses of a run; one that takes more goes round in circles
  std::size_t most_states = SIZE_MAX;
  std::vector<weaker> weakened;
  bool list_sites = false;
};

/// What is run. `begin` sets up, and is followed by both threads at once; `end` judges once both have ended. It is run
/// once; then the machine goes back to each decision, and puts memory, stacks and `parts` back as they were.
struct program {
  std::function<void()> begin, drive, work, end;
  std::function<std::string(const void*)> name;  ///< what lies at an address
  /// All that changes but the modelled memory and the threads' stacks.
  std::vector<std::span<std::byte>> parts;
};

struct finding {
  std::string fault;  ///< empty: none in any run
  std::string history;
  std::size_t runs = 0, states = 0;
  bool complete = false;  ///< all states were visited
};

/// An atomic access of the program: where it returns to, from the program's start on.
struct site {
  std::uintptr_t at;
  const char* what;
  std::string word;
  thread by;
  order first, second;  ///< second: of a compare-exchange that fails
};

class machine {
 public:
  finding explore(const program& p, const settings& s);
  /// Every atomic access that the last explore() met, if its settings asked for them.
  [[nodiscard]] const std::vector<site>& sites() const noexcept { return sites_; }

  // ---- for the program
  /// One of 0 … n-1: a decision of the calling thread. All are tried.
  unsigned choose(unsigned n);
  /// Ends the exploration with a fault unless `promise` holds.
  void require(bool promise, const char* otherwise) {
    if (!promise) fail(otherwise);
  }
  [[noreturn]] void fail(const std::string& fault);
  /// Here nothing of the calling thread's past matters any more but what program::state tells: its stack holds nothing.
  /// So ways that meet here go on as one.
  void nothing_in_hand() { now_.all[now_.self].history = 1; }
  /// The driver looks whether the worker has ended. If so, it knows all that the worker did.
  bool worker_ended();
  /// The driver waits for that.
  void join_worker();
  [[nodiscard]] bool worker_died() const noexcept { return now_.dead; }
  /// These bytes hold no atomic words; what is read there by an atomic load counts as a plain read.
  void hold_bytes(const void* from, std::size_t bytes) { plain_.emplace_back(from, bytes); }

  // ---- for the instrumentation
  [[nodiscard]] bool running() const noexcept { return running_; }
  std::uint64_t load(const void* p, std::size_t bytes, order o, const void* from);
  void store(void* p, std::size_t bytes, std::uint64_t value, order o, const void* from);
  std::uint64_t update(void* p, std::size_t bytes, order o, const void* from,
                       std::uint64_t (*how)(std::uint64_t, std::uint64_t), std::uint64_t with);
  /// True: exchanged. False: `expected` holds what was read.
  bool exchange_if(void* p, std::size_t bytes, std::uint64_t& expected, std::uint64_t desired, order success,
                   order failure, bool weak, const void* from);
  void read(const void* p, std::size_t bytes);
  void write(void* p, std::size_t bytes);

  // ---- for the kernel
  [[nodiscard]] thread self() const noexcept { return now_.self; }
  /// What system calls are about: those about one thing make a difference to each other.
  enum : unsigned { no_object = 0, the_bell = 1, the_futex = 2, the_end = 4 };
  /// A system call of the calling thread, which takes effect when this returns, until called() is called. It reads
  /// `word` as the kernel sees it. Waits until `ready` says true, which then stays so until the thread goes on.
  void call(const char* name, unsigned object, bool (*ready)() = nullptr, const void* word = nullptr);
  void called(std::uint64_t answer = 0);
  /// The newest value of a word, as the kernel sees it.
  std::uint64_t newest(const void* p, std::size_t bytes);
  /// A way on that is taken for no reason, as long as the settings allow it.
  bool for_no_reason();

 private:
  enum class kind : std::uint8_t { store, load, update, exchange_if, call };
  struct access {
    kind what = kind::call;
    location x = 0;  ///< of a call: the word that it reads, if any
    order with = order::relaxed, otherwise = order::relaxed;
    std::uint64_t expected = 0;
    bool weak = false, has_word = true;
    unsigned object = no_object;
    bool (*ready)() = nullptr;
  };
  enum class standing : std::uint8_t {
    free,
    later,    ///< its next access waits for one of the other thread that makes a difference to it
    blocked,  ///< in a system call that is not ready
    ended
  };
  struct context {
    access next;
    standing how = standing::free;
    std::uint64_t history = 0;
  };
  /// What changes as a run goes on, besides memory and stacks.
  struct state {
    context all[2];
    thread self = driver;
    bool alone = true;  ///< setting up or judging: no worker about
    bool dead = false;
    unsigned spurious_left = 0, steps = 0;
    std::size_t decided = 0;
  };
  /// A decision, and all that was when it came up.
  struct fork {
    unsigned taken = 0, of = 0;
    jmp_buf resume;
    std::vector<std::span<std::byte>> pieces;
    std::vector<std::byte> bytes;
  };
  struct event {
    thread by;
    const char* what;
    const void* place;
    std::uint64_t value;
    stamp read, newest;
    order with;
  };

  static void main_of_driver();
  static void main_of_worker();
  void run();
  [[noreturn]] void drop();
  unsigned pass(const access& next);
  void wait_for_turn(standing how);
  void made(const access& what, bool wrote);
  void die();
  void may_die();
  [[noreturn]] void end_thread();
  [[nodiscard]] unsigned ways(const access& next) const;
  [[nodiscard]] bool can_run(thread t) const;
  [[nodiscard]] bool matters(const access& waiting, const access& done, bool wrote) const;
  unsigned decide(unsigned n, unsigned where);
  unsigned take(unsigned n);
  void put_aside(fork& f);
  static void put_back(fork& f);
  /// What the calling thread has learnt since it had nothing in hand.
  void remember(std::uint64_t what, std::uint64_t a) {
    std::uint64_t& history = now_.all[now_.self].history;
    history = mix(mix(history, what), a);
  }
  void note(const char* what, location x, std::uint64_t value, stamp read, order o);
  void check_memory() {
    if (memory_.wrong() != nullptr) fail(memory_.wrong());
  }
  order weakened(order o, const void* from) const;
  void met(const void* from, const char* what, location x, order first, order second);
  [[nodiscard]] bool plain(const void* p) const noexcept;
  [[nodiscard]] std::string tell() const;
  void told(thread by, const char* what) {
    if (telling_) events_.push_back({by, what, nullptr, 0, 0, 0, order::relaxed});
  }

  program program_;
  settings settings_;
  finding found_;
  memory memory_;
  fiber outside_, fibers_[2];
  state now_;
  visited visited_;
  std::vector<fork> forks_;         ///< their memory is kept for the next
  std::size_t open_ = 0;            ///< how many there are
  std::vector<unsigned> repeated_;  ///< a history that is gone through again, to be told
  bool telling_ = false;
  bool running_ = false;  ///< accesses come from the program
  std::vector<event> events_;
  std::vector<std::pair<const void*, std::size_t>> plain_;
  std::vector<site> sites_;
};

/// The one that the instrumented code reaches.
machine& the_machine();

}  // namespace centimane::model
