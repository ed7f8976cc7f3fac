// What the tests of policy::run ask for and look at.
#pragma once
#include <gtest/gtest.h>

#include "policy/run.hpp"

namespace centimane::policy {

inline rules sized(index n) {
  rules r;
  r.total = n;
  r.jitter = false;
  return r;
}

inline rules stream_of(index n, bool ordered) {
  rules r = sized(n);
  r.stream = true;
  r.ordered = ordered;
  return r;
}

inline void expect_start(const action& a, index first, index count, std::uint32_t attempt = 1) {
  ASSERT_EQ(a.what, action::start);
  EXPECT_EQ(a.first, first);
  EXPECT_EQ(a.count, count);
  EXPECT_EQ(a.attempt, attempt);
}

inline void expect_emit(const action& a, index first, index count) {
  ASSERT_EQ(a.what, action::emit);
  EXPECT_EQ(a.first, first);
  EXPECT_EQ(a.count, count);
}

inline void expect_wait(const action& a, nanos until) {
  ASSERT_EQ(a.what, action::wait);
  EXPECT_EQ(a.until, until);
}

inline void expect_finish(const action& a, status end) {
  ASSERT_EQ(a.what, action::finish);
  EXPECT_EQ(a.end, end);
}

}  // namespace centimane::policy
