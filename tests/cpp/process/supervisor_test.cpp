// The supervisor's clock: what it takes for a suspended process, and what it does not.
#include "process/supervisor.hpp"

#include <gtest/gtest.h>

#include <semaphore>

#include "leak_check.hpp"
#include "platform/clock.hpp"

using namespace centimane;

namespace {

/// Answers each of its first ticks with a moment long gone, as one does whose work is overdue.
class overdue final : public engine::watched {
 public:
  void happened(std::uint64_t, bool, bool) override {}
  policy::nanos tick() override {
    if (++ticks_ < 5) return platform::now() - 60'000'000'000;
    if (ticks_ == 5) done_.release();
    return policy::never;
  }
  void slept(policy::nanos gap) override { slept_ += gap; }
  void wait() { done_.acquire(); }
  [[nodiscard]] policy::nanos slept() const { return slept_; }

 private:
  int ticks_ = 0;
  policy::nanos slept_ = 0;
  std::binary_semaphore done_{0};
};

TEST(supervisor, what_is_overdue_does_not_tell_that_the_process_was_stopped) {
  overdue late;
  {
    const auto it = engine::supervisor::get();
    const auto who = it->join(late);
    it->kick();
    late.wait();
    it->leave(who);
  }
  EXPECT_EQ(late.slept(), 0);
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
