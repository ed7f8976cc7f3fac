// Shared memory with a name, by which other programs find it: Python's multiprocessing.shared_memory, or whatever calls
// shm_open. Between processes of one program use shared_array, which needs no name and leaves nothing behind.
//
//   auto frame = cm::shared_memory::create(1 << 20, "camera");      // /dev/shm/camera, mode 0600
//   std::ranges::fill(frame.as<float>(), 0.5F);
//   …
//   auto same = cm::shared_memory::open("camera");                  // in another program of this user
//   same.unlink();                                                  // the name is gone, who has it open keeps it
//
// A name stays until somebody unlinks it. What nobody unlinks goes when the program ends (a worker's, when the program
// that started it does). If that is killed, the next process of this user that makes or opens shared memory by
// centimane takes it away, unless another program has it open by centimane. With track = false it stays.
//
// Thread safety: an object is one thread's at a time; different objects of one name are independent.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

namespace centimane {
inline namespace v0 {

/// Open shared memory; closed by its destructor. Movable.
class shared_memory {
 public:
  /// New memory, zeroed, only for this user, with all its room taken. Without a name it gets one that nobody guesses.
  /// Throws std::invalid_argument for size 0; resource_limit if /dev/shm or this process's memory limit has no such
  /// room; std::system_error: file_exists, invalid_argument for what is no name ('/' in it).
  static shared_memory create(std::size_t size, std::string name = {}, bool track = true);
  /// What is there under the name. Throws std::system_error: no_such_file_or_directory; permission_denied for what
  /// belongs to another user or is no plain file; invalid_argument for what is no name. std::invalid_argument if it is
  /// empty.
  static shared_memory open(std::string name);

  shared_memory(shared_memory&&) noexcept;
  shared_memory& operator=(shared_memory&&) noexcept;
  ~shared_memory();

  /// Empty once closed.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept;
  /// The bytes as elements of a trivially copyable type, as many as fit whole.
  template <class T>
  [[nodiscard]] std::span<T> as() const noexcept {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                  "centimane: T cannot be shared between processes: it must be trivially copyable and no pointer");
    const std::span<std::byte> all = bytes();
    return {reinterpret_cast<T*>(all.data()), all.size() / sizeof(T)};
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes().size(); }
  [[nodiscard]] const std::string& name() const noexcept;
  /// Lets go of the memory, not of its name.
  void close() noexcept;
  /// Takes the name away: nobody can open it any more, who has it open keeps it. Once for all processes, before or
  /// after close. Throws std::system_error: no_such_file_or_directory if somebody did so before.
  void unlink();

 private:
  struct state;
  explicit shared_memory(std::unique_ptr<state> is) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace v0
}  // namespace centimane
