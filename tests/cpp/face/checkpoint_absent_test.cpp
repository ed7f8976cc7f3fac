// A library that was built without SQLite: whoever names a checkpoint is told so at the call, before any work. This
// program has checkpoint_absent.cpp in place of the library's own checkpoint_file.cpp.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "centimane/centimane.hpp"
// Not as a source of its own: the compile database would tell the linters to read a library's source as a test's.
#include "face/checkpoint_absent.cpp"

namespace cm = centimane;

namespace {

template <class Call>
void expect_told(Call call) {
  try {
    call();
    ADD_FAILURE() << "nothing was said";
  } catch (const cm::checkpoint_error& e) {
    EXPECT_NE(std::string(e.what()).find("configure centimane with -DCENTIMANE_SQLITE=ON"), std::string::npos)
        << e.what();
  }
}

TEST(without_sqlite, a_checkpoint_is_refused_with_what_to_do) {
  int calls = 0;
  const std::vector<int> items{1, 2};
  const auto count = [&](int n) { return calls += n; };
  const cm::options how{.executor = cm::sequential, .checkpoint = cm::checkpoint{"/nowhere/run.ckpt"}};
  expect_told([&] { (void)cm::parallel_map(count, items, how); });
  expect_told([&] {
    auto stream = cm::parallel_iter(count, items, how);
    (void)stream.begin();
  });
  expect_told([] { (void)cm::checkpoint_info("/nowhere/run.ckpt"); });
  EXPECT_EQ(calls, 0);
}

TEST(without_sqlite, runs_and_keys_work) {
  const cm::options how{.executor = cm::sequential, .item_key = [](int n) { return n; }};
  EXPECT_TRUE(cm::parallel_map([](int n) { return n; }, std::vector<int>{1, 2}, how).ok());
}

}  // namespace
