// Queues between processes: first in, first out, any number of producers and consumers, in memory that they share.
//
//   cm::queue<std::optional<job>> jobs({.max_items = 1000});
//   cm::queue<answer> answers;
//   auto worker = pool.submit(work, jobs, answers);   // as an argument it is the same queue there; a fork inherits it
//   jobs.put(job{…});
//   jobs.put(std::nullopt);                           // "no more": the worker's loop ends
//
// put() returns when the item is in the queue: no thread feeds it. A process that is killed, wherever it is, makes
// nobody wait for ever and damages nothing: an item is whole or absent, and at most the one that it had just taken goes
// with it. Items leave in the order in which their put() ended.
//
// Thread safety: any thread of any process. Performance: a tenth of a microsecond a put or get of few bytes, and no
// system call as long as nobody sleeps; large items are copied once in and once out, and those who put at the same time
// take turns. Memory: what is in the queue, up to 16 GiB.
#pragma once
#include <cstddef>
#include <optional>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/shared_queue.hpp"
#include "centimane/numbers.hpp"

namespace centimane {
inline namespace v0 {

struct queue_options {
  /// The most items in it; 0: as many as there is room for.
  count max_items = 0;
  /// The most bytes in it, as encoded; an item alone may be larger. 0: as many as there is room for.
  count max_bytes = 0;
};

/// A queue of T, which must be able to travel (codec.hpp) and to own its memory. Copies of a queue are the same queue.
template <class T>
class queue {
  static_assert(detail::can_return<T>,
                "centimane: T cannot go through a queue: it needs to own its memory, and a codec<T> or "
                "serialize(Archive&)");

 public:
  using value_type = T;
  /// Throws std::system_error if there is no memory to be had.
  explicit queue(const queue_options& how = {}) : queue(how, false) {}

  /// Waits while the queue is full. Throws queue_closed if it is closed, or if it is full, another process has had it,
  /// and no other has it any more; payload_error if the item is larger than any queue takes; resource_limit if memory
  /// is short; and what the item's codec throws. Nothing was put then.
  void put(const T& item) { static_cast<void>(send(item, detail::queue_patience::endless)); }
  /// False: it is full.
  [[nodiscard]] bool try_put(const T& item) { return send(item, detail::queue_patience::none); }
  /// Waits up to `time`. False: it was full all the time.
  [[nodiscard]] bool put_for(const T& item, time_span time) {
    return send(item, detail::queue_patience::of(time.get()));
  }

  /// Waits while the queue is empty. Throws queue_closed if it is empty and closed, or if another process has had it
  /// and no other has it any more; payload_error if the bytes make no T: the item is gone then.
  [[nodiscard]] T get() { return *receive(detail::queue_patience::endless); }
  /// Nothing: it is empty.
  [[nodiscard]] std::optional<T> try_get() { return receive(detail::queue_patience::none); }
  /// Waits up to `time`. Nothing: it was empty all the time. Throws queue_closed if it is empty and closed.
  [[nodiscard]] std::optional<T> get_for(time_span time) { return receive(detail::queue_patience::of(time.get())); }

  /// How many items are in it: exact at the time of the call, as are the next two.
  [[nodiscard]] std::size_t size() const noexcept { return end_.size(); }
  [[nodiscard]] bool empty() const noexcept { return end_.size() == 0; }
  /// Are there max_items in it?
  [[nodiscard]] bool full() const noexcept { return end_.full(); }
  /// 0: no limit.
  [[nodiscard]] std::size_t max_items() const noexcept { return end_.max_items(); }

  /// In all processes: nothing goes in any more, and get() throws queue_closed once the queue is empty. Wakes who
  /// waits.
  void close() noexcept { end_.close(); }
  [[nodiscard]] bool closed() const noexcept { return end_.closed(); }

 protected:
  queue(const queue_options& how, bool joinable) : end_(how.max_items, how.max_bytes, joinable) {}
  explicit queue(detail::queue_end end) noexcept : end_(std::move(end)) {}
  detail::queue_end end_;

 private:
  friend struct codec<queue<T>>;

  bool send(const T& item, std::int64_t patience) {
    writer bytes;
    codec<T>::write(bytes, item);
    return end_.put(bytes.view(), patience);
  }
  std::optional<T> receive(std::int64_t patience) {
    writer bytes;
    if (!end_.get(bytes, patience)) return std::nullopt;
    reader from(bytes.view());
    return codec<T>::read(from);
  }
};

/// A queue that counts which of the items taken out of it are done with.
template <class T>
class joinable_queue : public queue<T> {
 public:
  explicit joinable_queue(const queue_options& how = {}) : queue<T>(how, true) {}

  /// An item that was taken is done with. Throws std::logic_error if that was said of every item already.
  void task_done() { this->end_.task_done(); }
  /// Waits until every item that was put is done with. Throws owner_died if processes that had taken items have ended
  /// before they called task_done(); what() says how many items that were. Each is told once, to one caller, and then
  /// counts as done.
  void join() { this->end_.join(); }

 private:
  friend struct codec<joinable_queue<T>>;
  explicit joinable_queue(detail::queue_end end) noexcept : queue<T>(std::move(end)) {}
};

/// A queue travels as a handle. It can be opened as long as any process has the queue; a message that is lost on its
/// way keeps it for a minute.
template <class T>
struct codec<queue<T>> {
  static void write(writer& out, const queue<T>& it) { it.end_.write(out); }
  static queue<T> read(reader& in) { return queue<T>(detail::queue_end::read(in, false)); }
};
template <class T>
struct codec<joinable_queue<T>> {
  static void write(writer& out, const joinable_queue<T>& it) { it.end_.write(out); }
  static joinable_queue<T> read(reader& in) { return joinable_queue<T>(detail::queue_end::read(in, true)); }
};

}  // namespace v0
}  // namespace centimane
