#include "face/log.hpp"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "process/worker.hpp"

namespace centimane {
inline namespace v0 {
namespace {

/// The kind of log()'s words is its level and one: 0 is the engine's own.
constexpr std::uint8_t first_kind = 1;

struct listener {
  std::recursive_mutex one_at_a_time;  ///< a handler may log
  std::function<void(const log_record&)> handler;
};
/// Never destroyed: threads may log while the process ends. Shared, so that a handler may be replaced while it runs.
std::shared_ptr<listener>& present() {
  static auto& it = *new std::shared_ptr<listener>(std::make_shared<listener>());
  return it;
}
std::mutex& lock() {
  static std::mutex& it = *new std::mutex;
  return it;
}
std::atomic<log_level> least_level{log_level::info};

const char* name_of(log_level level) {
  static constexpr const char* names[] = {"debug", "info", "warning", "error"};
  return names[static_cast<std::size_t>(level) & 3];
}

void write_line(const log_record& what) {
  std::string line = std::string(name_of(what.level)) + ": ";
  if (what.worker >= 0) line += "worker " + std::to_string(what.worker) + ": ";
  if (what.item) line += "item " + std::to_string(*what.item) + ": ";
  line += what.text;
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void hand_over(const log_record& what) {
  if (what.level < least_level.load(std::memory_order_relaxed)) return;
  std::shared_ptr<listener> to;
  {
    const std::lock_guard guard(lock());
    to = present();
  }
  const std::lock_guard guard(to->one_at_a_time);
  to->handler ? to->handler(what) : write_line(what);
}

}  // namespace

void log(log_level level, std::string_view text) {
  if (engine::may_tell()) {
    const std::string_view some = text.substr(0, engine::longest_word);
    engine::tell_driver(static_cast<std::uint8_t>(first_kind + static_cast<std::uint8_t>(level)),
                        std::as_bytes(std::span(some)), true);
    return;
  }
  hand_over({level, text, std::nullopt, -1, 0});
}

void set_log_handler(std::function<void(const log_record&)> handler, log_level least) {
  auto fresh = std::make_shared<listener>();
  fresh->handler = std::move(handler);
  const std::lock_guard guard(lock());
  present() = std::move(fresh);
  least_level.store(least, std::memory_order_relaxed);
}

namespace detail {

void hear(const engine::word& what) {
  if (what.kind == 0) {
    std::uint64_t lost = 0;
    std::memcpy(&lost, what.text.data(), sizeof lost);
    const std::string text = std::to_string(lost) + " log records of workers were dropped: more than could be kept";
    return hand_over({log_level::warning, text, std::nullopt, what.worker, what.pid});
  }
  if (what.kind < first_kind || what.kind > first_kind + 3) return;
  const std::string_view text(reinterpret_cast<const char*>(what.text.data()), what.text.size());
  hand_over({static_cast<log_level>(what.kind - first_kind), text, static_cast<std::size_t>(what.item), what.worker,
             what.pid});
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
