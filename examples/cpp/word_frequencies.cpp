// Word frequencies over every file below a folder, on worker processes, with a progress bar. Files that cannot be read
// are failures of their own; the job goes on.
//
//   word_frequencies [folder]
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
namespace fs = std::filesystem;
using frequencies = std::unordered_map<std::string, std::size_t>;

frequencies count_words(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + file.string());
  frequencies words;
  std::string word;
  for (std::istreambuf_iterator<char> at(in), end; at != end; ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (c == 0) throw std::invalid_argument("not a text: " + file.string());
    if (std::isalpha(c)) {
      word += static_cast<char>(std::tolower(c));
    } else if (!word.empty()) {
      ++words[std::exchange(word, {})];
    }
  }
  if (!word.empty()) ++words[word];
  return words;
}

int main(int argc, char** argv) {
  cm::init(argc, argv);
  std::vector<fs::path> files;
  std::error_code skip;
  for (fs::recursive_directory_iterator
           at(argc > 1 ? argv[1] : "/usr/share/doc", fs::directory_options::skip_permission_denied, skip),
       end;
       at != end; at.increment(skip)) {
    if (at->is_regular_file(skip)) files.push_back(at->path());
  }
  auto result = cm::parallel_map(count_words, files, {.executor = cm::process, .on_progress = cm::progress_bar()});
  frequencies all;
  for (auto& [index, words] : result.successes()) {
    for (auto& [word, n] : words) all[word] += n;
  }
  std::vector<std::pair<std::string, std::size_t>> top(all.begin(), all.end());
  const auto shown = std::min<std::ptrdiff_t>(10, std::ssize(top));
  std::ranges::partial_sort(top, top.begin() + shown, std::ranges::greater{}, [](const auto& p) { return p.second; });
  for (std::ptrdiff_t i = 0; i < shown; ++i) {
    const auto& [word, n] = top[static_cast<std::size_t>(i)];
    std::printf("%9zu %s\n", n, word.c_str());
  }
  std::printf("%zu files, %zu failed\n", result.size(), result.failures().size());
  for (std::size_t i = 0; i < std::min<std::size_t>(5, result.failures().size()); ++i) {
    std::printf("  %s\n", result.failures()[i].error.what());
  }
}
