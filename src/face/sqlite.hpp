// What a checkpoint needs of SQLite: an owned connection, an owned statement, errors as checkpoint_error.
#pragma once
#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "centimane/errors.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// The end of each refusal.
inline constexpr const char* begin_anew = ". Delete the file to begin anew, or give another path";

[[nodiscard]] inline checkpoint_error damaged(const std::string& path, const std::string& why) {
  return checkpoint_error("centimane: the checkpoint '" + path + "' is damaged, or no checkpoint: " + why + begin_anew);
}

struct sqlite_closer {
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};

/// A connection to a file that is there. What fails is a damaged file.
class sqlite_database {
 public:
  sqlite_database() = default;
  /// `address`: a file: URI.
  sqlite_database(const std::string& path, const std::string& address, bool read_only);
  void run(const char* sql);
  [[nodiscard]] std::int64_t number(const char* sql);
  [[nodiscard]] sqlite3* get() const noexcept { return database_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void close() noexcept { database_.reset(); }
  /// Leaves it open for ever: it is another process's.
  void abandon() noexcept { (void)database_.release(); }
  [[noreturn]] void fail() const { throw damaged(path_, sqlite3_errmsg(database_.get())); }

 private:
  std::string path_;
  std::unique_ptr<sqlite3, sqlite_closer> database_;
};

/// A prepared statement; parameters count from 1, columns from 0.
class sqlite_statement {
 public:
  sqlite_statement(sqlite_database& in, const char* sql);
  void bind(int at, std::span<const std::byte> blob);
  void bind_text(int at, const std::string& text);
  /// True: there is a row. The statement must be reset before it is bound again.
  bool step();
  /// As step, with SQLite's own answer.
  int try_step() noexcept { return sqlite3_step(statement_.get()); }
  void reset() noexcept { sqlite3_reset(statement_.get()); }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::span<const std::byte> blob(int column) const;

 private:
  sqlite_database& in_;
  std::unique_ptr<sqlite3_stmt, sqlite_closer> statement_;
};

/// The path as an address that SQLite opens.
[[nodiscard]] std::string file_uri(const std::string& path, const char* options);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
