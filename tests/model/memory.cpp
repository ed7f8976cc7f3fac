#include "model/memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "model/mix.hpp"

namespace centimane::model {
namespace {

/// What a channel's segments lie in. Atomic words are never stored here, only in the history of their location.
alignas(4096) std::byte bytes_of_all[memory::size];

std::size_t offset_of(const void* p) noexcept {
  return static_cast<std::size_t>(static_cast<const std::byte*>(p) - bytes_of_all);
}

}  // namespace

void memory::knowledge::join(const knowledge& other) noexcept {
  for (std::size_t x = 0; x < most_locations; ++x) seen[x] = std::max(seen[x], other.seen[x]);
  for (std::size_t t = 0; t < clock.size(); ++t) clock[t] = std::max(clock[t], other.clock[t]);
}

void memory::reset() {
  std::memset(saved(), 0, saved_size());
  std::memset(bytes_of_all, 0, size);
  for (thread t = 0; t < 2; ++t) now_.knows[t].clock[t] = 1;
  now_.stores[0].silent = true;
}

void memory::forget() {
  index_ = {};
  count_ = 0;
}

std::byte* memory::data() noexcept { return bytes_of_all; }

bool memory::holds(const void* p) noexcept { return p >= bytes_of_all && p < bytes_of_all + size; }

// ---- atomic words

location memory::at(const void* p, std::size_t bytes) {
  const std::size_t offset = offset_of(p);
  location& known = index_[offset / 4];
  if (known == 0) {
    if (count_ == most_locations) {
      complain("more atomic words than this model has room for");
      return 0;
    }
    offset_[count_] = static_cast<std::uint16_t>(offset);
    bytes_[count_] = static_cast<std::uint8_t>(bytes);
    known = static_cast<location>(++count_);
  }
  const auto x = static_cast<location>(known - 1);
  if (bytes_[x] != bytes) complain("an atomic word is accessed in two sizes");
  const cell& c = now_.cells[offset / 8];
  if (c.written[0] != 0 || c.written[1] != 0) complain("an atomic word is written plainly too");
  return x;
}

const void* memory::place(location x) const noexcept { return bytes_of_all + offset_[x]; }

stamp memory::oldest(thread t, location x, order o) const noexcept {
  const stamp known = now_.knows[t].seen[x];
  return o == order::seq_cst ? std::max(known, now_.words[x].agreed) : known;
}

void memory::load(thread t, location x, stamp n, order o) {
  word& w = now_.words[x];
  knowledge& mine = now_.knows[t];
  mine.seen[x] = std::max(mine.seen[x], n);
  if (acquires(o)) mine.join(at(x, n).released);
  if (o != order::seq_cst) return;
  // Such a load makes a difference to those of the other thread. The machine does not reckon with that where it is not
  // told by a store, which takes two that load what both change, or one that loads what it stored.
  w.agreeing = static_cast<std::uint8_t>(w.agreeing | 1U << t);
  const bool tells = w.writer == many ? w.agreeing == 3 : w.writer == t + 1U && w.agreed != w.latest;
  if (tells) complain("two threads agree on a word's value by loads: this model has no eye for that");
  w.agreed = std::max(w.agreed, n);
}

void memory::append(thread t, location x, std::uint64_t value, order o, const stored* inherited) {
  if (now_.count + 1 == most_stores || now_.words[x].latest == 255) return complain("goes round in circles");
  word& w = now_.words[x];
  knowledge& mine = now_.knows[t];
  stored& next = now_.stores[++now_.count];
  next.value = value;
  next.previous = w.last;
  next.released = {};
  next.silent = !releases(o) && (inherited == nullptr || inherited->silent);
  w.last = static_cast<std::uint16_t>(now_.count);
  mine.seen[x] = ++w.latest;
  if (releases(o)) next.released = mine;
  if (inherited != nullptr) next.released.join(inherited->released);
  next.released.seen[x] = w.latest;
  if (o == order::seq_cst) w.agreed = w.latest;
  ++mine.clock[t];  // what comes now was not released
}

void memory::store(thread t, location x, std::uint64_t value, order o) {
  word& w = now_.words[x];
  if (w.writer == nobody) w.writer = static_cast<std::uint8_t>(t + 1);
  if (w.writer != t + 1U) complain("two threads store to one word, not by read-modify-write");
  append(t, x, value, o, nullptr);
}

void memory::update(thread t, location x, std::uint64_t value, order o) {
  word& w = now_.words[x];
  if (w.writer == nobody) w.writer = static_cast<std::uint8_t>(t + 1);
  if (w.writer != t + 1U) w.writer = many;
  const stored& inherited = now_.stores[w.last];
  if (acquires(o)) now_.knows[t].join(inherited.released);
  append(t, x, value, o, &inherited);
}

// ---- bytes

void memory::touch(thread t, const void* p, std::size_t bytes, bool writes) {
  if (bytes == 0) return;
  const std::size_t first = offset_of(p) / 8, last = (offset_of(p) + bytes - 1) / 8;
  const auto other = static_cast<thread>(1 - t);
  const knowledge& mine = now_.knows[t];
  for (std::size_t k = first; k <= last; ++k) {
    cell& c = now_.cells[k];
    if (c.written[other] > mine.clock[other] || (writes && c.read[other] > mine.clock[other])) {
      complain(writes ? "data race: bytes are written that the other end may be using"
                      : "data race: bytes are read that the other end may be writing");
    }
    for (const std::size_t half : {2 * k, 2 * k + 1}) {
      if (index_[half] != 0 && now_.words[index_[half] - 1U].latest != 0)
        complain("an atomic word is accessed plainly");
    }
    (writes ? c.written : c.read)[t] = mine.clock[t];
  }
}

void memory::read(thread t, const void* p, std::size_t bytes) { touch(t, p, bytes, false); }
void memory::write(thread t, const void* p, std::size_t bytes) { touch(t, p, bytes, true); }

void memory::set_up() noexcept {
  for (word& w : now_.words) w.writer = w.agreeing = nobody;
}

void memory::learn(thread to, thread from) {
  now_.knows[to].join(now_.knows[from]);
  ++now_.knows[from].clock[from];
}

// ---- what can still matter

/// Clocks are only ever compared with those of accesses that the other thread does not know of. So a clock is as good
/// as the number of these that it has passed.
struct memory::unknown {
  struct {
    std::array<std::uint32_t, 2 * size / 8> clocks;
    std::size_t count = 0;
  } of[2];
  void add(thread t, std::uint32_t clock) {
    auto& mine = of[t];
    if (mine.count > 0 && mine.clocks[mine.count - 1] == clock) return;
    if (mine.count == mine.clocks.size()) std::abort();
    mine.clocks[mine.count++] = clock;
  }
  void sort() {
    for (auto& o : of) {
      const auto end = o.clocks.begin() + static_cast<std::ptrdiff_t>(o.count);
      std::sort(o.clocks.begin(), end);
      o.count = static_cast<std::size_t>(std::unique(o.clocks.begin(), end) - o.clocks.begin());
    }
  }
  [[nodiscard]] std::uint64_t passed(thread t, std::uint32_t clock) const {
    const auto* begin = of[t].clocks.data();
    return static_cast<std::uint64_t>(std::upper_bound(begin, begin + of[t].count, clock) - begin);
  }
};

std::uint64_t memory::state_of_bytes(unknown& some) const {
  const auto open = [&](thread t, std::uint32_t when) { return when > now_.knows[1 - t].clock[t]; };
  std::array<std::uint16_t, size / 8> cells;
  std::size_t count = 0;
  for (std::size_t k = 0; k < now_.cells.size(); ++k) {
    const cell& c = now_.cells[k];
    bool any = false;
    for (thread t = 0; t < 2; ++t) {
      for (const std::uint32_t when : {c.written[t], c.read[t]}) {
        if (!open(t, when)) continue;
        some.add(t, when);
        any = true;
      }
    }
    if (any) cells[count++] = static_cast<std::uint16_t>(k);
  }
  some.sort();
  std::uint64_t h = mix(0, std::span<const std::byte>(bytes_of_all));
  for (std::size_t n = 0; n < count; ++n) {
    const cell& c = now_.cells[cells[n]];
    std::uint64_t all = cells[n];
    for (thread t = 0; t < 2; ++t) {
      for (const std::uint32_t when : {c.written[t], c.read[t]})
        all = all << 12 | (open(t, when) ? some.passed(t, when) : 0U);
    }
    h = mix(h, all);
  }
  return h;
}

std::uint64_t memory::state() const {
  unknown some;
  std::uint64_t h = state_of_bytes(some);
  std::array<stamp, most_locations> base{};
  for (std::size_t x = 0; x < count_; ++x) base[x] = std::min(now_.knows[0].seen[x], now_.knows[1].seen[x]);
  const auto add = [&](const knowledge& k) {
    std::array<stamp, most_locations> ahead{};
    for (std::size_t x = 0; x < most_locations; ++x) {
      ahead[x] = static_cast<stamp>(std::max(k.seen[x], base[x]) - base[x]);
    }
    h = mix(h, std::as_bytes(std::span(ahead)));
    h = mix(h, some.passed(0, k.clock[0]) << 32 | some.passed(1, k.clock[1]));
  };
  for (const knowledge& k : now_.knows) add(k);
  for (std::size_t x = 0; x < count_; ++x) {
    const word& w = now_.words[x];
    const auto agreed = static_cast<stamp>(std::max(w.agreed, base[x]) - base[x]);
    h = mix(h, std::uint64_t{w.writer} << 40 | std::uint64_t{w.agreeing} << 32 |
                   (std::uint64_t{w.latest} - base[x]) << 8 | agreed);
    const stored* s = &now_.stores[w.last];
    for (unsigned n = w.latest - base[x] + 1U; n > 0; --n, s = &now_.stores[s->previous]) {
      h = mix(h, s->value);
      if (!s->silent) add(s->released);
    }
  }
  return h;
}

bool memory::bypassed() const noexcept {
  for (std::size_t x = 0; x < count_; ++x) {
    const std::byte* at = bytes_of_all + offset_[x];
    if (std::any_of(at, at + bytes_[x], [](std::byte b) { return b != std::byte{0}; })) return true;
  }
  return false;
}

}  // namespace centimane::model
