#include "face/checkpoint_file.hpp"

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "face/sqlite.hpp"
#include "platform/claimed_file.hpp"
#include "platform/fork_generation.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::int64_t application = 0x43454E54, format = 1;

constexpr const char* fresh_file = R"(
  PRAGMA application_id = 0x43454E54;
  PRAGMA user_version = 1;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE done (key BLOB PRIMARY KEY, digest BLOB NOT NULL, value BLOB NOT NULL, seal BLOB NOT NULL);
)";

std::string quoted(const std::string& path) { return "centimane: the checkpoint '" + path + "'"; }

/// Takes the file, or says why it cannot be had.
void claim_or_refuse(platform::claimed_file& file, const std::string& path) {
  switch (file.take(path)) {
    case platform::claim::taken:
      return;
    case platform::claim::failed:
      throw checkpoint_error(quoted(path) + " cannot be opened: " + std::strerror(errno) +
                             ". Give the path of a file in a folder that can be written to");
    case platform::claim::not_plain:
      throw checkpoint_error(quoted(path) + " is no plain file (a link, a folder or a device). Give another path");
    case platform::claim::others_write:
      throw checkpoint_error("centimane: others may write to the checkpoint '" + path +
                             "'. Look where it comes from; if it is good, take the permission away: chmod go-w");
    case platform::claim::in_use_here:
    case platform::claim::in_use_elsewhere:
      throw checkpoint_error(quoted(path) +
                             " is in use by another run. Wait for its end, or give each run a path of its own");
  }
}

/// True: a checkpoint. False: a database with nothing in it.
bool look_at_format(sqlite_database& database) {
  const std::int64_t whose = database.number("PRAGMA application_id"), written = database.number("PRAGMA user_version");
  std::string tables;
  sqlite_statement names(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name LIMIT 5");
  while (names.step()) tables += (tables.empty() ? "" : ", ") + names.text(0);
  if (whose == 0 && written == 0 && tables.empty()) return false;
  if (whose != application) {
    throw checkpoint_error("centimane: '" + database.path() + "' is no checkpoint but another database" +
                           (tables.empty() ? "" : ", with the tables " + tables) + ". Give another path");
  }
  if (written != format) {
    throw checkpoint_error(quoted(database.path()) + " has format " + std::to_string(written) +
                           ", and this version of centimane reads format 1. Go on with the version that wrote it" +
                           begin_anew);
  }
  if (tables != "done, meta") throw damaged(database.path(), "its tables are not those of a checkpoint");
  return true;
}

std::map<std::string, std::string> read_meta(sqlite_database& database) {
  std::map<std::string, std::string> meta;
  sqlite_statement rows(database, "SELECT name, value FROM meta");
  while (rows.step()) meta[rows.text(0)] = rows.text(1);
  if (!meta.contains("face") || !meta.contains("function")) {
    throw damaged(database.path(), "it does not say whose results it holds");
  }
  return meta;
}

/// Text stands with its type before it, since Python's versions may be numbers.
std::string version_of(const std::map<std::string, std::string>& meta) {
  const auto at = meta.find("version");
  if (at == meta.end()) return {};
  return at->second.starts_with("s:") ? at->second.substr(2) : at->second;
}

wire::digest128 seal_of(const std::string& key, const wire::digest128& digest, std::span<const std::byte> value) {
  wire::digest128 all[3] = {wire::digest(std::as_bytes(std::span(key))), digest, wire::digest(value)};
  return wire::digest(std::as_bytes(std::span(all)));
}

}  // namespace

struct checkpoint_file::state {
  platform::claimed_file claimed;  // goes last: letting go of it drops the locks on the file
  sqlite_database database;
  std::optional<sqlite_statement> find, add;
  std::uint32_t born = platform::fork_generation();
  bool has_rows = false;

  ~state() {
    if (born == platform::fork_generation()) return;
    find.reset();
    add.reset();
    database.abandon();  // a fork's copy: closing it would be the parent's affair
  }

  void begin(const checkpoint& which, const std::string& function) {
    const bool there = look_at_format(database);
    database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    if (!there) {
      database.run("BEGIN IMMEDIATE");
      database.run(fresh_file);
      sqlite_statement put(database, "INSERT INTO meta VALUES (?, ?)");
      const auto note = [&](const char* name, const std::string& value) {
        put.bind_text(1, name);
        put.bind_text(2, value);
        put.step();
        put.reset();
      };
      note("face", "c++");
      note("function", function);
      if (!which.version.empty()) note("version", "s:" + which.version);
      database.run("COMMIT");
    } else {
      const auto meta = read_meta(database);
      if (meta.at("face") != "c++") {
        throw checkpoint_error(quoted(which.path) + " was written by " + meta.at("face") +
                               ", whose values C++ cannot read" + begin_anew);
      }
      if (meta.at("function") != function) {
        throw checkpoint_error(quoted(which.path) + " holds results of another function: " + meta.at("function") +
                               ", and this is " + function + begin_anew);
      }
      if (version_of(meta) != which.version) {
        throw checkpoint_error(quoted(which.path) + " was written with version '" + version_of(meta) +
                               "', and this is '" + which.version + "'" + begin_anew);
      }
      sqlite_statement check(database, "PRAGMA quick_check(1)");
      if (!check.step() || check.text(0) != "ok") throw damaged(which.path, check.text(0));
      has_rows = database.number("SELECT count(*) FROM done") > 0;
    }
    find.emplace(database, "SELECT digest, value, seal FROM done WHERE key = ?");
    add.emplace(database, "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)");
  }
};

checkpoint_file::checkpoint_file(const checkpoint& which, const std::string& function)
    : state_(std::make_unique<state>()) {
  claim_or_refuse(state_->claimed, which.path);
  state_->database = sqlite_database(which.path, file_uri(which.path, ""), false);
  state_->begin(which, function);
}

checkpoint_file::~checkpoint_file() = default;

bool checkpoint_file::has_rows() const noexcept { return state_->has_rows; }

bool checkpoint_file::look(const std::string& key, const wire::digest128& digest, std::vector<std::byte>& value) {
  sqlite_statement& find = *state_->find;
  struct rewind {
    sqlite_statement& of;
    ~rewind() { of.reset(); }
  } const at_end{find};
  find.bind(1, std::as_bytes(std::span(key)));
  if (!find.step()) return false;
  const auto same = [](std::span<const std::byte> a, const wire::digest128& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), b.size()) == 0;
  };
  if (!same(find.blob(0), digest)) return false;
  const auto found = find.blob(1);
  value.assign(found.begin(), found.end());
  if (!same(find.blob(2), seal_of(key, digest, value))) {
    throw damaged(state_->database.path(), "the row '" + key + "' has changed since it was written");
  }
  return true;
}

void checkpoint_file::write(std::span<const row> rows) {
  sqlite_database& database = state_->database;
  try {
    database.run("BEGIN IMMEDIATE");
    for (const row& r : rows) {
      sqlite_statement& add = *state_->add;
      const auto seal = seal_of(r.key, r.digest, r.value);
      add.bind(1, std::as_bytes(std::span(r.key)));
      add.bind(2, r.digest);
      add.bind(3, r.value);
      add.bind(4, seal);
      struct rewind {
        sqlite_statement& of;
        ~rewind() { of.reset(); }
      } const at_end{add};
      add.step();
    }
    database.run("COMMIT");
  } catch (const checkpoint_error&) {
    const std::string why = sqlite3_errmsg(database.get());
    sqlite3_exec(database.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw checkpoint_error(quoted(database.path()) + " cannot be written: " + why +
                           ". What it has so far stays good: make room, or mend the folder, and run again");
  }
}

}  // namespace detail

namespace {

checkpoint_facts read_facts(const std::string& path, const char* options, std::uint64_t size) {
  detail::sqlite_database database(path, detail::file_uri(path, options), true);
  database.run("BEGIN");
  if (!detail::look_at_format(database)) {
    throw checkpoint_error("centimane: '" + path + "' is no checkpoint: there is nothing in it");
  }
  auto meta = detail::read_meta(database);
  const auto rows = database.number("SELECT count(*) FROM done");
  return {path,
          std::move(meta["face"]),
          std::move(meta["function"]),
          detail::version_of(meta),
          static_cast<std::uint64_t>(rows),
          size};
}

}  // namespace

checkpoint_facts checkpoint_info(const std::string& path) {
  const auto size = platform::plain_file_size(path);
  if (!size) {
    throw checkpoint_error("centimane: the checkpoint '" + path +
                           "' cannot be read: " + (errno != 0 ? std::strerror(errno) : "it is no plain file"));
  }
  // Without a log beside it nobody writes, and reading it need not make one.
  const std::string log = path + "-wal";
  if (!platform::file_exists(log)) {
    try {
      return read_facts(path, "?immutable=1", *size);
    } catch (const checkpoint_error&) {
      if (!platform::file_exists(log)) throw;
    }
  }
  return read_facts(path, "", *size);
}

}  // namespace v0
}  // namespace centimane
