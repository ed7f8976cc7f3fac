// Shared memory with a name, which other programs find by it: a file in /dev/shm, as shm_open makes. A name outlives
// its makers, so somebody must take it away. That is the family's root (family.hpp): what a process of the family makes
// and nobody unlinks goes when the root ends. If it is killed, whoever of us comes next takes it away: a zygote that
// outlives its driver by a moment, or any process of this user that makes or opens named memory.
//
// How: beside each such memory stands a note, a symbolic link "centimane.<pid namespace>.<root's pid>.<its
// start>.<inode>" that leads to its name. It is there before the memory has its name, and a link is made and taken away
// in one piece, so a kill at any point leaves a note too many at worst, and never memory without one. What another
// family has open is locked (flock), which the kernel takes back however that process ends; such memory stays until it
// is let go. No process serves, nothing runs beside.
//
// Thread safety: all of it; an object belongs to one thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "platform/fd.hpp"
#include "platform/mapping.hpp"

namespace centimane::platform {

class named_memory {
 public:
  named_memory() noexcept = default;
  /// New, zeroed, only for this user (0600), with all its room taken. It appears under its name whole. `tracked`: it
  /// goes with the family, if nobody unlinks it before. Throws std::system_error: file_exists, invalid_argument for
  /// what is no name ('/' in it), no_space_on_device, no_such_file_or_directory without a /dev/shm.
  static named_memory create(const std::string& name, std::size_t size, bool tracked);
  /// What is there. Throws std::system_error: no_such_file_or_directory; permission_denied for what belongs to another
  /// user or is no plain file; invalid_argument for what is no name. std::invalid_argument if it is empty.
  static named_memory open(const std::string& name);

  named_memory(named_memory&&) noexcept = default;
  named_memory& operator=(named_memory&& other) noexcept;
  ~named_memory() { close(); }

  [[nodiscard]] std::byte* data() const noexcept { return map_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }
  /// Tells it from what may have its name later.
  [[nodiscard]] std::uint64_t inode() const noexcept { return inode_; }
  void close() noexcept;

 private:
  mapping map_;
  fd lock_;  ///< held if it is another family's
  std::uint64_t inode_ = 0;
};

/// Takes the name away; who has the memory open keeps it. Throws std::system_error: no_such_file_or_directory also if
/// the name is another memory's by now.
void unlink_memory(const std::string& name, std::uint64_t inode);
/// Takes away what families left behind whose root has ended. A look at /dev/shm.
void sweep_memory() noexcept;

}  // namespace centimane::platform
