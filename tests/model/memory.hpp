// The memory of two threads as the C++20 memory model allows it to behave (RC11): each location keeps every value ever
// stored in it, and a load may read any of them that is not older than what its thread knows of. Knowledge passes from
// a release to the acquire that reads it, through chains of read-modify-writes too. Sequentially consistent operations
// take place in the order in which they are executed here; whoever explores must try each order.
//
// Bytes that are read and written plainly keep one value; two accesses of which one is a write, and of which neither is
// known to the other, are a data race.
//
// Three limits. A load reads no store that is still to come: what a processor does that executes a store before an
// older load (C++ allows it to relaxed operations only) is not seen. A location has one thread that stores to it, or is
// changed by read-modify-writes alone, as the words of a channel are; else the order of stores would be one more thing
// to explore. No fences: the project has none. The first is unlooked for, the others are refused aloud.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace centimane::model {

/// As compilers number them.
enum class order : std::uint8_t { relaxed, consume, acquire, release, acq_rel, seq_cst };

constexpr bool acquires(order o) noexcept {
  return o == order::consume || o == order::acquire || o == order::acq_rel || o == order::seq_cst;
}
constexpr bool releases(order o) noexcept { return o == order::release || o == order::acq_rel || o == order::seq_cst; }

using thread = std::uint8_t;  ///< 0 or 1
using location = std::uint8_t;
using stamp = std::uint8_t;  ///< the how manieth value of a location; 0: the zero that it began with

class memory {
 public:
  static constexpr std::size_t size = 1536;
  static constexpr std::size_t most_locations = 40, most_stores = 400;

  /// Begins anew: zeros everywhere, nobody knows anything.
  void reset();
  /// Forgets where the words of the program lie, too.
  void forget();
  [[nodiscard]] static std::byte* data() noexcept;
  [[nodiscard]] static bool holds(const void* p) noexcept;
  /// What goes wrong is told here and stays told: a data race, a use that this model does not cover.
  [[nodiscard]] const char* wrong() const noexcept { return now_.wrong; }

  /// All that changes, to be put aside and back: its first saved_size() bytes.
  [[nodiscard]] std::byte* saved() noexcept { return reinterpret_cast<std::byte*>(&now_); }
  [[nodiscard]] std::size_t saved_size() const noexcept {
    return offsetof(image, stores) + (now_.count + std::size_t{1}) * sizeof(stored);
  }

  // ---- atomic words
  /// The location that begins at `p`.
  location at(const void* p, std::size_t bytes);
  [[nodiscard]] const void* place(location x) const noexcept;
  /// The oldest value that a load may read; latest() is the newest.
  [[nodiscard]] stamp oldest(thread t, location x, order o) const noexcept;
  [[nodiscard]] stamp latest(location x) const noexcept { return now_.words[x].latest; }
  [[nodiscard]] std::uint64_t value(location x, stamp n) const noexcept { return at(x, n).value; }
  /// Has this thread stored to it, so that the other never will?
  [[nodiscard]] bool owned(thread t, location x) const noexcept { return now_.words[x].writer == 1U + t; }
  void load(thread t, location x, stamp n, order o);
  void store(thread t, location x, std::uint64_t value, order o);
  /// A read-modify-write: reads the newest value and puts another behind it.
  void update(thread t, location x, std::uint64_t value, order o);

  // ---- bytes
  void read(thread t, const void* p, std::size_t bytes);
  void write(thread t, const void* p, std::size_t bytes);

  /// What was stored so far was set up before there was a second thread.
  void set_up() noexcept;
  /// From now on `to` knows all that `from` knows: one was begun by the other, or has seen its end.
  void learn(thread to, thread from);
  /// A hash of all that can still matter: the values that somebody can still read and what each makes known, what each
  /// thread knows, the bytes, and whose accesses to them are still unknown to the other.
  [[nodiscard]] std::uint64_t state() const;
  /// True if something stored to an atomic word behind the back of this model.
  [[nodiscard]] bool bypassed() const noexcept;

 private:
  /// What a thread knows: the newest value of each location that it must not go back behind, and how far each thread
  /// had come.
  struct knowledge {
    std::array<stamp, most_locations> seen{};
    std::array<std::uint32_t, 2> clock{};
    void join(const knowledge& other) noexcept;
  };
  struct stored {
    std::uint64_t value;
    knowledge released;      ///< what an acquire learns here
    std::uint16_t previous;  ///< the value before of the same word
    bool silent;             ///< makes nothing known but itself
  };
  struct word {
    std::uint16_t last;     ///< where its newest value is, in `stores`
    stamp latest;           ///< and the how manieth that is
    stamp agreed;           ///< what sequentially consistent loads must not go back behind
    std::uint8_t writer;    ///< nobody, 1 + thread, many
    std::uint8_t agreeing;  ///< who loads it sequentially consistently, a bit a thread
  };
  /// Eight bytes that are accessed plainly: when each thread did so last, on its clock. 0: never.
  struct cell {
    std::array<std::uint32_t, 2> written, read;
  };
  static constexpr std::uint8_t nobody = 0, many = 3;

  /// All of a run's past that can matter, in one piece, for it is copied often. Zeros are how it begins; the value 0 of
  /// `stores` is what every word begins with.
  struct image {
    const char* wrong;
    std::array<knowledge, 2> knows;
    std::array<word, most_locations> words;
    std::array<cell, size / 8> cells;
    std::uint32_t count;
    std::array<stored, most_stores> stores;
  };
  static_assert(std::is_trivially_copyable_v<image>);

  [[nodiscard]] const stored& at(location x, stamp n) const noexcept {
    const stored* s = &now_.stores[now_.words[x].last];
    for (unsigned back = now_.words[x].latest - n; back > 0; --back) s = &now_.stores[s->previous];
    return *s;
  }
  void append(thread t, location x, std::uint64_t value, order o, const stored* inherited);
  void touch(thread t, const void* p, std::size_t bytes, bool writes);
  /// Clocks of accesses that the other thread does not know of, by thread.
  struct unknown;
  [[nodiscard]] std::uint64_t state_of_bytes(unknown& some) const;
  void complain(const char* text) {
    if (now_.wrong == nullptr) now_.wrong = text;
  }

  image now_{};
  // Which location lies where: found as a program is explored, and true of all its runs.
  std::array<location, size / 4> index_{};  ///< 1 + location, by place
  std::array<std::uint16_t, most_locations> offset_{};
  std::array<std::uint8_t, most_locations> bytes_{};
  std::size_t count_ = 0;
};

}  // namespace centimane::model
