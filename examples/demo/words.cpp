// Word frequencies over thousands of files: in order, on worker processes, and on worker processes of which three are
// killed.
#include <algorithm>
#include <centimane/centimane.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ledger.hpp"

namespace cm = centimane;

namespace {

struct not_utf8 : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct unreadable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using frequency = std::pair<std::string, std::uint64_t>;
using totals = std::unordered_map<std::string, std::uint64_t>;

// How many bytes the UTF-8 character at `at` has; 0 if it is none (overlong forms, surrogates and what lies beyond
// U+10FFFF included).
std::size_t character(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
  const unsigned first = byte(0), second = byte(1);
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Words are runs of ASCII letters, in lower case, and of characters beyond ASCII, as they are.
std::vector<frequency> frequencies(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream buffer;
  if (!file || !(buffer << file.rdbuf()) || file.bad()) throw unreadable("cannot read " + path);
  const std::string text = std::move(buffer).str();

  totals counted;
  std::string word;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t length = at < text.size() ? character(text, at) : 1;
    if (length == 0) throw not_utf8(path + " is not UTF-8 at byte " + std::to_string(at));
    const char c = at < text.size() ? text[at] : ' ';
    if (length > 1) {
      word.append(text, at, length);
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      word.push_back(static_cast<char>(c | 0x20));
    } else if (!word.empty()) {
      ++counted[word];
      word.clear();
    }
    at += length;
  }
  return {std::make_move_iterator(counted.begin()), std::make_move_iterator(counted.end())};
}

using numbered = std::pair<std::size_t, std::string>;

// The same, noting in the ledger where it is. An aggregate, so it travels field by field.
struct observed {
  std::string folder;
  std::size_t items;
  std::vector<frequency> operator()(const numbered& item) const {
    demo::note(folder, 'B', item.first);
    try {
      demo::linger(folder, items, item.first);
      auto found = frequencies(item.second);
      demo::note(folder, 'E', item.first);
      return found;
    } catch (...) {
      demo::note(folder, 'E', item.first);
      throw;
    }
  }
};

void add(totals& to, const std::vector<frequency>& from) {
  for (const auto& [word, count] : from) to[word] += count;
}

std::vector<std::string> listing(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> names;
  for (std::string name; std::getline(file, name, '\0');) names.push_back(name);
  return names;
}

bool claim(const char* text, bool holds) {
  std::printf("  %s: %s\n", holds ? "holds" : "BROKEN", text);
  return holds;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  cm::init(argc, argv);
  if (argc < 2) return 2;
  const auto paths = listing(argv[1]);
  const auto how = [] { return cm::options{.executor = cm::process, .workers = 2, .on_progress = cm::progress_bar()}; };
  bool good = true;

  // One after another.
  auto start = std::chrono::steady_clock::now();
  totals expected;
  std::map<std::size_t, std::string> expected_failures;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    try {
      add(expected, frequencies(paths[i]));
    } catch (const std::exception& error) {
      expected_failures[i] = error.what();
    }
  }
  const double one = seconds_since(start);

  // On worker processes.
  const auto collect = [](auto&& result, totals& total, std::map<std::size_t, std::string>& failures,
                          std::set<std::size_t>& lost) {
    for (auto&& [index, value] : result.successes()) add(total, value);
    for (const auto& [index, error] : result.failures()) {
      if (error.template as<cm::worker_died>() != nullptr) {
        lost.insert(index);
      } else {
        failures[index] = error.what();
      }
    }
  };
  {
    start = std::chrono::steady_clock::now();
    totals total;
    std::map<std::size_t, std::string> failures;
    std::set<std::size_t> lost;
    auto result = cm::parallel_map(frequencies, paths, how());
    collect(result, total, failures, lost);
    const double two = seconds_since(start);
    std::uint64_t words = 0;
    for (const auto& [word, count] : total) words += count;
    std::printf("%zu files, %llu words, %zu files failed: sequential %.2f s, 2 workers %.2f s\n", paths.size(),
                static_cast<unsigned long long>(words), failures.size(), one, two);
    auto some = failures.begin();
    for (int i = 0; i < 3 && some != failures.end(); ++i, ++some) std::printf("  %.150s\n", some->second.c_str());
    good &= claim("the same frequencies as one after another", total == expected);
    good &= claim("the same files failed, with the same messages", failures == expected_failures && lost.empty());
  }

  // On worker processes of which three are killed.
  std::string folder = (std::filesystem::temp_directory_path() / "centimane-ledger-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 2;
  std::vector<numbered> items;
  for (std::size_t i = 0; i < paths.size(); ++i) items.emplace_back(i, paths[i]);
  totals total;
  std::map<std::size_t, std::string> failures;
  std::set<std::size_t> lost;
  demo::killer killer(folder, items.size());
  auto result = cm::parallel_map(observed{folder, items.size()}, items, how());
  const auto& killed = killer.finish();
  std::filesystem::remove_all(folder);
  collect(result, total, failures, lost);
  bool by_sigkill = true;
  for (const auto& [index, error] : result.failures()) {
    const auto* death = error.as<cm::worker_died>();
    if (death == nullptr) continue;
    std::printf("  %s: %s\n", paths[index].c_str(), error.what());
    by_sigkill &= death->signal() == SIGKILL;
  }

  good &= claim("3 workers were killed inside a task", killed.size() == 3);
  good &= claim("exactly the items they were on are lost, as worker_died", lost == killed);
  good &= claim("each is told with the signal that ended its worker", by_sigkill);
  for (const auto index : lost) {
    if (expected_failures.erase(index) != 0) continue;
    for (const auto& [word, count] : frequencies(paths[index])) {
      const auto at = expected.find(word);
      if ((at->second -= count) == 0) expected.erase(at);
    }
  }
  good &= claim("all other failures are the same", failures == expected_failures);
  good &= claim("all other files were counted, once each", total == expected);
  return good ? 0 : 1;
}
