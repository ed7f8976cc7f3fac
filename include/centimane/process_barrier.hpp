// A point at which processes wait for each other.
//
//   cm::process_barrier all(4);
//   if (all.arrive_and_wait() == 0) log("everybody is there");
//
// When to use: as std::barrier, between processes. A party whose process ends while it waits there breaks the barrier:
// the others get broken_barrier, and so does who comes until reset(). One that ends before it comes is not known: the
// limit of arrive_and_wait_for bounds that wait, and breaks the barrier. Copies are handles of one barrier, and travel
// to worker processes like any value.
//
// Performance: two short sections under a lock a round and party, and the sleep. Thread safety: all of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/deadline.hpp"
#include "centimane/errors.hpp"
#include "centimane/numbers.hpp"

namespace centimane {

namespace share {
class barrier;
}

inline namespace v0 {

/// A party has died at the barrier or waited too long, or somebody called abort() or reset().
class broken_barrier : public error {
 public:
  using error::error;
};

class process_barrier {
 public:
  /// Throws std::invalid_argument unless parties is 1 to 65536; resource_limit, std::system_error.
  explicit process_barrier(count parties);

  /// Waits for all. Answers which party this was, 0 to parties - 1; each number is answered once a round.
  /// Throws broken_barrier.
  std::size_t arrive_and_wait() const { return pass(INT64_MAX); }
  /// The same; not all within that time breaks it.
  std::size_t arrive_and_wait_for(time_span limit) const { return pass(detail::deadline_in(limit)); }
  /// Breaks it.
  void abort() const;
  /// Makes it as new. Who waits gets broken_barrier.
  void reset() const;
  [[nodiscard]] std::size_t parties() const noexcept;
  /// How many wait there now.
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] bool broken() const noexcept;

 private:
  friend struct codec<process_barrier>;
  struct opened {  // which no number converts to
    std::shared_ptr<share::barrier> it;
  };
  explicit process_barrier(opened from) noexcept : it_(std::move(from.it)) {}
  std::size_t pass(std::int64_t until) const;
  std::shared_ptr<share::barrier> it_;
};

template <>
struct codec<process_barrier> {
  static void write(writer& out, const process_barrier& b);
  static process_barrier read(reader& in);
};

}  // namespace v0
}  // namespace centimane
