// A job that checkpoint_kill_test kills and runs again: checkpoint_job FOLDER EXECUTOR FORM. Each call of its function
// appends its item to FOLDER/counts, which is the judge, and a dot to standard output, which the killer counts.
#include <fcntl.h>
#include <unistd.h>

#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;

namespace {

constexpr int items = 800;

struct work {
  std::string counts;
  std::string operator()(int n) const {
    (void)!::write(1, ".", 1);
    const int file = ::open(counts.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const std::string line = std::to_string(n) + "\n";
    (void)!::write(file, line.data(), line.size());
    ::close(file);
    return std::string(20, 'x') + std::to_string(n);
  }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(counts);
  }
};

bool good(const std::string& value, std::size_t n) { return value == std::string(20, 'x') + std::to_string(n); }

}  // namespace

int main(int argc, char** argv) {
  cm::init(argc, argv);
  if (argc < 4) return 2;
  const std::string folder = argv[1], where = argv[2], form = argv[3];
  cm::options how{.executor = where == "process"  ? cm::process
                              : where == "thread" ? cm::thread
                                                  : cm::sequential,
                  .workers = 2,
                  .ordered = form == "ordered",
                  .checkpoint = cm::checkpoint{folder + "/work.ckpt"}};
  if (form == "keys") how.item_key = [](int n) { return n; };
  std::vector<int> input(items);
  std::iota(input.begin(), input.end(), 0);
  const work f{folder + "/counts"};
  std::size_t right = 0;
  if (form == "map" || form == "keys") {
    const auto result = cm::parallel_map(f, input, how);
    for (auto& [index, value] : result.successes()) right += good(value, index) ? 1U : 0U;
  } else {
    for (auto& r : cm::parallel_iter(f, input, how)) right += r.value != nullptr && good(*r.value, r.index) ? 1U : 0U;
  }
  if (right != items) return 1;
  (void)!::write(1, "!", 1);
  return 0;
}
