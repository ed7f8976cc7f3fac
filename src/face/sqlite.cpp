#include "face/sqlite.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

/// How long somebody else's lock is waited for.
constexpr int patience_ms = 10'000;

}  // namespace

sqlite_database::sqlite_database(const std::string& path, const std::string& address, bool read_only) : path_(path) {
  sqlite3* made = nullptr;
  const int access = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int done = sqlite3_open_v2(address.c_str(), &made, access | SQLITE_OPEN_URI, nullptr);
  database_.reset(made);
  if (made == nullptr) throw checkpoint_error("centimane: SQLite has no memory for the checkpoint '" + path + "'");
  if (done != SQLITE_OK) fail();
  sqlite3_busy_timeout(made, patience_ms);
}

void sqlite_database::run(const char* sql) {
  if (sqlite3_exec(get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

std::int64_t sqlite_database::number(const char* sql) {
  sqlite_statement one(*this, sql);
  return one.step() ? one.number(0) : 0;
}

sqlite_statement::sqlite_statement(sqlite_database& in, const char* sql) : in_(in) {
  sqlite3_stmt* made = nullptr;
  const int done = sqlite3_prepare_v2(in.get(), sql, -1, &made, nullptr);
  statement_.reset(made);
  if (done != SQLITE_OK) in.fail();
}

void sqlite_statement::bind(int at, std::span<const std::byte> blob) {
  const void* from = blob.empty() ? "" : static_cast<const void*>(blob.data());  // null would be bound as NULL
  if (sqlite3_bind_blob64(statement_.get(), at, from, blob.size(), SQLITE_TRANSIENT) != SQLITE_OK) in_.fail();
}

void sqlite_statement::bind_text(int at, const std::string& text) {
  if (sqlite3_bind_text64(statement_.get(), at, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK)
    in_.fail();
}

bool sqlite_statement::step() {
  const int done = try_step();
  if (done != SQLITE_ROW && done != SQLITE_DONE) in_.fail();
  return done == SQLITE_ROW;
}

std::string sqlite_statement::text(int column) const {
  const unsigned char* at = sqlite3_column_text(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return at == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(at), static_cast<std::size_t>(size));
}

std::span<const std::byte> sqlite_statement::blob(int column) const {
  const void* at = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const std::byte*>(at), at == nullptr ? 0 : static_cast<std::size_t>(size)};
}

std::string file_uri(const std::string& path, const char* options) {
  constexpr const char* hex = "0123456789abcdef";
  std::string uri = "file:";
  if (path.starts_with("//")) uri += "//";  // two slashes would begin a host's name
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      const auto code = static_cast<unsigned char>(c);
      uri += '%';
      uri += hex[code >> 4U];
      uri += hex[code & 15U];
    } else {
      uri += c;
    }
  }
  return uri + options;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
