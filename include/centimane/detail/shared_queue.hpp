// The part of queue<T> that does not know T: runs of bytes that go in and out.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "centimane/bytes.hpp"

namespace centimane::share {
class shared_queue;
}

namespace centimane {
inline namespace v0 {
namespace detail {

/// How long a call waits: not at all, up to a time, or as long as it takes.
struct queue_patience {
  static constexpr std::int64_t none = 0, endless = INT64_MAX;
  /// In nanoseconds from now.
  static constexpr std::int64_t of(std::chrono::nanoseconds time) noexcept { return time.count(); }
};

/// Copies are the same queue.
class queue_end {
 public:
  queue_end(std::uint64_t max_items, std::uint64_t max_bytes, bool joinable);

  /// False: it is full.
  bool put(std::span<const std::byte> item, std::int64_t patience) const;
  /// Appends the next item. False: it is empty.
  bool get(writer& into, std::int64_t patience) const;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t max_items() const noexcept;
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] bool closed() const noexcept;
  void close() const noexcept;

  void task_done() const;
  void join() const;

  /// As bytes for another process, and what came so.
  void write(writer& out) const;
  static queue_end read(reader& in, bool joinable);

 private:
  explicit queue_end(std::shared_ptr<share::shared_queue> it) noexcept : it_(std::move(it)) {}
  std::shared_ptr<share::shared_queue> it_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
