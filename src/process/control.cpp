#include "process/control.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "platform/fault.hpp"
#include "platform/memfd.hpp"
#include "platform/message.hpp"

namespace centimane::engine {
namespace {

/// In front of each message's inline body.
struct frame {
  std::uint32_t kind;
  std::uint32_t by_file;  ///< 1: the body is the descriptor that comes along
  std::uint64_t id;
  std::uint64_t length;  ///< of the body
};
static_assert(sizeof(frame) == 24);

}  // namespace

std::vector<std::byte> control_message::take_body(std::uint64_t most) {
  if (length > most) throw std::runtime_error("centimane: a message is larger than allowed");
  if (!body_file) return std::move(inline_body);
  const platform::fd file = std::move(body_file);
  struct stat what {};
  // The length is a claim of the sender's. A regular file answers reads at once; one that is too short is refused
  // before anything is allocated, and so is a memfd full of holes, which costs its sender nothing.
  if (fstat(file.get(), &what) != 0 || !S_ISREG(what.st_mode) || what.st_size < 0 ||
      static_cast<std::uint64_t>(what.st_size) < length) {
    throw std::runtime_error("centimane: a message's body is shorter than told");
  }
  const bool memory = fcntl(file.get(), F_GET_SEALS) >= 0;
  if (memory && (static_cast<std::uint64_t>(what.st_blocks) + 8) * 512 < length) {
    throw std::runtime_error("centimane: a message's body is hollow");
  }
  std::vector<std::byte> all(length);
  for (std::uint64_t at = 0; at < length;) {
    const ssize_t got = pread(file.get(), all.data() + at, length - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::runtime_error("centimane: a message's body could not be read");
    at += static_cast<std::uint64_t>(got);
  }
  return all;
}

control_body::control_body(std::span<const std::byte> bytes) : length_(bytes.size()) {
  if (bytes.size() <= control_inline) {
    inline_.assign(bytes.begin(), bytes.end());
    return;
  }
  platform::fd file = platform::make_memory("centimane-body", bytes.size());
  platform::write_memory(file.get(), 0, bytes);
  // Several workers read one file: none may change it for the others.
  file_ = std::make_shared<const platform::fd>(platform::seal_for_readers(std::move(file)));
}

std::pair<platform::fd, platform::fd> control_socket::make_pair() { return platform::socket_pair(); }

control_socket::sent control_socket::send(const kept& what, bool wait) noexcept {
  static const control_body nothing;
  const control_body& body = what.body ? *what.body : nothing;
  const int file = body.file_ ? body.file_->get() : -1;
  const frame head{static_cast<std::uint32_t>(what.kind), file >= 0 ? 1U : 0U, what.id, body.length_};
  const std::span<const int> files = file >= 0 ? std::span(&file, 1) : std::span<const int>();
  switch (platform::send_message(socket_.get(), std::as_bytes(std::span(&head, 1)), body.inline_, files, wait)) {
    case platform::transfer::done:
      return sent::done;
    case platform::transfer::full:
      return sent::full;
    default:
      return sent::gone;
  }
}

bool control_socket::send_apart(control kind, std::uint64_t id, std::span<const std::byte> body,
                                int patience) const noexcept {
  if (body.size() > control_inline || !intact()) return false;
  const frame head{static_cast<std::uint32_t>(kind), 0, id, body.size()};
  return send_patiently(std::as_bytes(std::span(&head, 1)), body, {}, patience);
}

bool control_socket::send_memory_apart(control kind, int memory, int patience) const noexcept {
  if (!intact()) return false;
  const frame head{static_cast<std::uint32_t>(kind), 1, 0, 0};
  return send_patiently(std::as_bytes(std::span(&head, 1)), {}, {&memory, 1}, patience);
}

bool control_socket::send_patiently(std::span<const std::byte> head, std::span<const std::byte> body,
                                    std::span<const int> files, int patience) const noexcept {
  for (;; patience -= 10) {
    const auto how = platform::send_message(socket_.get(), head, body, files, false);
    if (how != platform::transfer::full) return how == platform::transfer::done;
    if (patience <= 0) return false;
    pollfd what{socket_.get(), POLLOUT, 0};
    poll(&what, 1, 10);
  }
}

std::uint32_t control_socket::post(control kind, std::uint64_t id, std::shared_ptr<const control_body> body) {
  ++posted_;
  if (gone_) return posted_;
  waiting_.push_back({kind, id, std::move(body)});
  flush();
  return posted_;
}

bool control_socket::flush() {
  while (!waiting_.empty()) {
    const sent how = send(waiting_.front(), false);
    if (how == sent::full) return false;
    if (how == sent::gone) {
      gone_ = true;
      waiting_.clear();
      return true;
    }
    waiting_.pop_front();
  }
  return true;
}

bool control_socket::flush_blocking() {
  while (!flush()) {
    pollfd what{socket_.get(), POLLOUT, 0};
    poll(&what, 1, 10);
    if (flush()) break;
    poll(nullptr, 0, 1);  // what is missing is not room (too many descriptors under way); nobody tells when it is there
  }
  return !gone_;
}

std::optional<control_message> control_socket::take(bool wait, bool& gone) {
  std::array<std::byte, sizeof(frame) + control_inline> space;
  platform::received what;
  const platform::transfer how = platform::receive_message(socket_.get(), space, what, wait);
  if (how == platform::transfer::full) return std::nullopt;
  frame head{};
  if (how == platform::transfer::done && what.size >= sizeof head) {
    std::memcpy(&head, space.data(), sizeof head);
    const std::size_t rest = what.size - sizeof head;
    const bool whole =
        head.by_file == 0 ? what.count == 0 && head.length == rest : head.by_file == 1 && what.count == 1 && rest == 0;
    if (whole) {
      control_message message;
      message.kind = static_cast<control>(head.kind);
      message.id = head.id;
      message.length = head.length;
      message.inline_body.assign(space.begin() + sizeof head, space.begin() + static_cast<std::ptrdiff_t>(what.size));
      if (head.by_file == 1) message.body_file = std::move(what.fds[0]);
      return message;
    }
  }
  // No descriptor is left here for memory that is lent: it is not kept, and the worker is not to blame.
  if (how == platform::transfer::damaged && errno == EMFILE && what.size == sizeof head) {
    std::memcpy(&head, space.data(), sizeof head);
    if (head.kind == static_cast<std::uint32_t>(control::lend)) {
      control_message message;
      message.kind = control::lend;
      return message;
    }
  }
  gone = true;
  return std::nullopt;
}

std::optional<control_message> control_socket::receive(bool& gone) { return take(false, gone); }

std::optional<control_message> control_socket::receive_blocking() {
  bool gone = false;
  for (;;) {
    if (std::optional<control_message> got = take(true, gone)) return got;
    if (gone) return std::nullopt;
  }
}

}  // namespace centimane::engine
