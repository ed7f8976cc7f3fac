#include "face/log_teller.hpp"

#include <cstring>
#include <exception>
#include <utility>

#include "centimane/log.hpp"
#include "face/log.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t most_bytes = std::size_t{16} << 20;

}  // namespace

log_teller::~log_teller() {
  {
    const std::lock_guard guard(lock_);
    quit_ = true;
    news_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void log_teller::take(const engine::word& what) noexcept {
  const std::lock_guard guard(lock_);
  try {
    if (bytes_ + what.text.size() > most_bytes) {
      ++dropped_;
      return;
    }
    kept one{what, std::string(reinterpret_cast<const char*>(what.text.data()), what.text.size())};
    one.what.text = {};
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    waiting_.push_back(std::move(one));
    bytes_ += what.text.size();
  } catch (const std::exception&) {  // no memory, no thread
    ++dropped_;
  }
  news_.notify_one();
}

void log_teller::wait_until_told() {
  std::unique_lock guard(lock_);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  told_.wait(guard, [&] { return waiting_.empty() && !telling_; });
}

void log_teller::work() {
  const auto tell = [](const engine::word& what) {
    try {
      hear(what);
    } catch (const std::exception& e) {  // there is nobody whom it could end
      log(log_level::error, std::string("the log handler has thrown: ") + e.what());
    } catch (...) {
    }
  };
  std::unique_lock guard(lock_);
  for (;;) {
    news_.wait(guard, [&] { return quit_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    telling_ = true;
    kept one = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= one.text.size();
    const std::uint64_t dropped = std::exchange(dropped_, 0);
    guard.unlock();
    one.what.text = std::as_bytes(std::span(one.text));
    tell(one.what);
    if (dropped != 0) {
      engine::word lost = one.what;
      lost.kind = 0;
      lost.text = std::as_bytes(std::span(&dropped, 1));
      tell(lost);
    }
    guard.lock();
    telling_ = false;
    if (waiting_.empty()) told_.notify_all();
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
