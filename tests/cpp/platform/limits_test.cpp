#include "platform/limits.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "leak_check.hpp"

namespace centimane::platform {
namespace {

class limits : public centimane::test::leak_check {};

TEST_F(limits, what_was_lowered_is_put_back) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const kept_limits kept;
  EXPECT_TRUE(kept.restored());
  const rlimit lower{before.rlim_cur / 2, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
  EXPECT_TRUE(kept.restored());
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_cur);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
}

}  // namespace
}  // namespace centimane::platform

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
