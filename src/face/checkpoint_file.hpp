// The checkpoint file of the C++ face: an SQLite database with one row a value. The Python face writes the same format,
// described in python/centimane/_checkpoint_file.py.
//
// Implemented twice: checkpoint_file.cpp with SQLite, checkpoint_absent.cpp for a library built without.
// Thread safety: one thread at a time.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "centimane/checkpoint.hpp"
#include "wire/digest.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class checkpoint_file {
 public:
  struct row {
    std::string key;
    wire::digest128 digest;
    std::vector<std::byte> value;
  };

  /// Opens or makes it. Throws checkpoint_error if it is not for this run. Cost: reads the whole file once, to see that
  /// it is undamaged.
  checkpoint_file(const checkpoint& which, const std::string& function);
  ~checkpoint_file();
  checkpoint_file(const checkpoint_file&) = delete;
  checkpoint_file& operator=(const checkpoint_file&) = delete;

  /// Are there rows from before?
  [[nodiscard]] bool has_rows() const noexcept;
  /// The value in the row of that key and digest.
  bool look(const std::string& key, const wire::digest128& digest, std::vector<std::byte>& value);
  /// Adds rows, in one transaction.
  void write(std::span<const row> rows);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
