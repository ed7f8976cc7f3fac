// What is large in a worker's tasks and results: looks up the blocks that a task names, and is the annex that results
// are written to. Talks to the driver by the worker's control socket, but only through what its owner gives it.
//
// Thread safety: the worker's own thread.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "memory/tenancy.hpp"
#include "process/control.hpp"
#include "process/freight.hpp"

namespace centimane::engine {

class freight_worker final : public annex {
 public:
  /// `ask(n)`: asks the driver for room for n bytes and hears messages until `granted` has come.
  explicit freight_worker(std::function<void(std::uint64_t)> ask) : ask_(std::move(ask)) {}

  /// Takes a message that is about the arena; false: it is about something else. `answered` is set if it is the answer
  /// to what was asked.
  bool take(control_message& message, bool& answered);

  // ---- a task
  /// Reads the table of a heavy task's record: answers the task's own bytes. Throws what view() throws.
  std::span<const std::byte> open(std::span<const std::byte> record);
  /// What lies beside the task's bytes.
  [[nodiscard]] std::span<const annexed> beside() const noexcept {
    return std::span<const annexed>(views_).subspan(apart_ ? 1 : 0);
  }

  // ---- its result
  std::uint32_t put(std::span<const part> parts) override;
  /// What was written to blocks is not needed; it is given back with the next to_give_back().
  void drop() noexcept override;
  [[nodiscard]] bool loaded() const noexcept { return !written_.empty(); }
  /// Is there anything that must be published beside the result, or given back?
  [[nodiscard]] bool used() const noexcept { return loaded() || !returned_.empty(); }
  /// The result's record: table and `bytes`, which become a block themselves if they are more than `largest` with it.
  /// kept: what close() has answered. Throws resource_limit.
  std::span<const std::byte> pack(std::span<const std::byte> bytes, std::size_t largest, bool kept);
  /// The task is over: true if something still looks into its arguments.
  bool close();
  /// The result is published: its blocks are the driver's.
  void published() noexcept { written_.clear(); }

  /// What can be given back, arguments and grants; cleared by the call.
  std::vector<memory::lease> to_give_back();

  /// In the parent, after a fork of this process. Async-signal-safe enough for a fork handler.
  void forked() noexcept { tenancy_.forked(); }

 private:
  memory::tenancy::room room_for(std::uint64_t bytes);
  std::uint32_t write(std::span<const part> parts);

  std::function<void(std::uint64_t)> ask_;
  memory::tenancy tenancy_;
  granted_block refused_{};
  std::vector<annexed> views_;
  std::vector<memory::lease> lent_;      ///< of the task in hand
  std::vector<memory::lease> returned_;  ///< views ended, driver not told
  std::vector<written_block> written_;
  bool apart_ = false;
  writer record_;
};

}  // namespace centimane::engine
