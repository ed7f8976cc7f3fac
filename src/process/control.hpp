// The control socket of one worker: an ordered stream of messages beside the rings (SOCK_SEQPACKET pair). What is rare
// goes here: set-up, definitions, the memory of an arena. A task names how many messages must have been read before it
// begins, so order is exact. Bodies over 16 KiB travel as a sealed memfd by SCM_RIGHTS. Neither end trusts a length;
// MSG_CTRUNC is an error.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "centimane/bytes.hpp"
#include "platform/descriptors.hpp"
#include "platform/fd.hpp"

namespace centimane::engine {

/// Bodies up to this size travel inside the message.
inline constexpr std::size_t control_inline = 16 * 1024;

enum class control : std::uint32_t {
  // driver → worker
  set_up = 1,     ///< body: the face's set-up
  define,         ///< id, body: a definition
  forget,         ///< id
  map_arguments,  ///< id = segment, body: its memory, to be read by tasks
  map_results,    ///< id = segment, body: its memory, to write results to
  unmap,          ///< id = segment
  granted,        ///< id = lease or 0, body: granted_block
  tidy,           ///< give up the grants that are not used
  begin,          ///< set-up is complete: say ready; id = the driver's process_identity
  // worker → driver
  ready = 16,  ///< id = its pid, which the zygote's word may bring later
  want,        ///< id = bytes: room for a result
  give_back,   ///< body: leases of arguments that no view is left of, or of grants
  log,         ///< body: text for the driver's log
  word,        ///< id = definition of the task that says it, body: word_head, text (worker.hpp)
  lend,        ///< body: memory that the worker made and is about to name in what it sends (memory/lent.hpp)
};

struct control_message {
  control kind{};
  std::uint64_t id = 0;
  std::vector<std::byte> inline_body;
  platform::fd body_file;    ///< if the body is a memfd
  std::uint64_t length = 0;  ///< of the body
  /// The body's bytes. From a worker's memfd: checks its size, copies by pread (never maps what another process may
  /// truncate). Throws std::runtime_error if the file is shorter than told or the body is larger than `most`,
  /// std::bad_alloc.
  std::vector<std::byte> take_body(std::uint64_t most = UINT64_MAX);
};

/// A body ready to be sent to many: inline bytes or one sealed memfd, shared by all channels it goes to.
class control_body {
 public:
  control_body() = default;
  explicit control_body(std::span<const std::byte> bytes);  ///< throws std::system_error
  /// The memory itself, as it is: the other end takes `body_file` and does not read it.
  control_body(std::shared_ptr<const platform::fd> memory, std::uint64_t length)
      : file_(std::move(memory)), length_(length) {}
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }

 private:
  friend class control_socket;
  std::vector<std::byte> inline_;
  std::shared_ptr<const platform::fd> file_;
  std::uint64_t length_ = 0;
};

class control_socket {
 public:
  control_socket() = default;
  explicit control_socket(platform::fd socket) : socket_(std::move(socket)), is_(socket_.get()) {}
  static std::pair<platform::fd, platform::fd> make_pair();

  /// Sends or, if the socket is full, keeps for flush(). Never blocks. Answers the message's number: 1, 2, 3, … (what
  /// task_header::control names).
  std::uint32_t post(control kind, std::uint64_t id = 0, std::shared_ptr<const control_body> body = {});
  /// Sends what was kept; false while something is left (ask epoll for EPOLLOUT). A broken pipe drops it: the death is
  /// told by the pidfd.
  bool flush();
  /// The same, waiting for room: for the worker's end. False if the driver is gone.
  bool flush_blocking();
  /// Sends one message by itself, past what is kept: from any thread of a worker. A body that does not fit in a message
  /// is not sent. Waits for room for `patience` milliseconds. False: it was not sent.
  bool send_apart(control kind, std::uint64_t id, std::span<const std::byte> body, int patience) const noexcept;
  /// The same with memory as its body, which the other end takes as it is.
  bool send_memory_apart(control kind, int memory, int patience) const noexcept;
  /// The next message, not waiting: nothing if none is there. `gone` is set at EOF or a broken message.
  std::optional<control_message> receive(bool& gone);
  /// Same, waiting: for the worker's end. Nothing: the driver is gone.
  std::optional<control_message> receive_blocking();
  /// Is the descriptor still the socket that it was? User code in a worker may have closed it and opened a file at its
  /// number.
  [[nodiscard]] bool intact() const noexcept { return is_.still(socket_.get()); }
  [[nodiscard]] int get() const noexcept { return socket_.get(); }
  [[nodiscard]] std::uint32_t posted() const noexcept { return posted_; }

 private:
  struct kept {
    control kind;
    std::uint64_t id;
    std::shared_ptr<const control_body> body;
  };
  enum class sent : std::uint8_t { done, full, gone };
  sent send(const kept& what, bool wait) noexcept;
  bool send_patiently(std::span<const std::byte> head, std::span<const std::byte> body, std::span<const int> files,
                      int patience) const noexcept;
  std::optional<control_message> take(bool wait, bool& gone);

  platform::fd socket_;
  platform::identity is_;
  std::uint32_t posted_ = 0;
  bool gone_ = false;
  std::deque<kept> waiting_;  ///< what found no room yet
};

}  // namespace centimane::engine
