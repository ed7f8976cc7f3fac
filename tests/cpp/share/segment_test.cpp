// Memory without a name goes from process to process by handle, stays while anybody has it, and is gone with its last
// holder.
#include "share/segment.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "centimane/errors.hpp"
#include "leak_check.hpp"
#include "platform/memfd.hpp"
#include "platform/robust_mutex.hpp"

namespace {

namespace cm = centimane;
using cm::platform::process_identity;
using cm::share::handle;
using cm::share::segment;

/// A child that runs `what`, and ends with 0 if it says true.
pid_t child(const std::function<bool()>& what) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  bool good = false;
  try {
    good = what();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "in the child: %s\n", e.what());
  }
  ::_exit(good ? 0 : 1);
}
int status_of(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

/// A pipe over which handles go, and news.
struct line {
  line() {
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  }
  ~line() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  template <class T>
  void send(const T& what) const {
    if (::write(ends[1], &what, sizeof what) != sizeof what) std::abort();
  }
  template <class T>
  [[nodiscard]] T take() const {
    T what;
    if (::read(ends[0], &what, sizeof what) != sizeof what) std::abort();
    return what;
  }
  int ends[2];
};

class segment_test : public cm::test::leak_check {};

TEST_F(segment_test, is_zeroed_and_aligned) {
  const auto small = segment::create(100);
  EXPECT_EQ(small->bytes().size(), 100U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small->bytes().data()) % 64, 0U);
  for (const std::byte b : small->bytes()) EXPECT_EQ(b, std::byte{0});
  const auto paged = segment::create(1, {.page_aligned = true});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(paged->bytes().data()) % 4096, 0U);
  EXPECT_TRUE(segment::create(0)->bytes().empty());
}

TEST_F(segment_test, a_handle_opened_at_home_is_the_same_object) {
  const auto it = segment::create(8);
  EXPECT_EQ(segment::open(it->hand_out()), it);
}

TEST_F(segment_test, another_process_sees_and_writes_the_same_bytes) {
  const line there, back;
  const pid_t pid = child([&] {
    const auto got = segment::open(there.take<handle>());
    if (std::memcmp(got->bytes().data(), "hello", 6) != 0) return false;
    std::memcpy(got->bytes().data(), "world", 6);
    back.send('x');
    return true;
  });
  const auto it = segment::create(6);  // after the fork: the child has no copy
  std::memcpy(it->bytes().data(), "hello", 6);
  there.send(it->hand_out());
  EXPECT_EQ(back.take<char>(), 'x');
  EXPECT_STREQ(reinterpret_cast<const char*>(it->bytes().data()), "world");
  EXPECT_EQ(status_of(pid), 0);
}

TEST_F(segment_test, what_was_handed_out_stays_until_it_is_taken) {
  const line there, back;
  const pid_t pid = child([&] {
    const auto got = segment::open(there.take<handle>());
    back.send(got->bytes()[0]);
    return true;
  });
  {
    const auto it = segment::create(1);
    it->bytes()[0] = std::byte{7};
    there.send(it->hand_out());
  }  // our last object is gone; the handle may not even have been read
  EXPECT_EQ(back.take<std::byte>(), std::byte{7});
  EXPECT_EQ(status_of(pid), 0);
  static_cast<void>(segment::create(1));  // the next use lets go of it: the leak check looks
}

TEST_F(segment_test, stays_with_those_who_opened_it_when_its_maker_is_killed) {
  const line there;
  const pid_t pid = child([&] {
    const auto it = segment::create(4);
    std::memcpy(it->bytes().data(), "abc", 4);
    there.send(it->hand_out());
    ::pause();
    return true;
  });
  const handle which = there.take<handle>();
  auto got = segment::open(which);
  ::kill(pid, SIGKILL);
  status_of(pid);
  EXPECT_STREQ(reinterpret_cast<const char*>(got->bytes().data()), "abc");
  // And goes on from us: the handle names us first.
  const handle ours = got->hand_out();
  EXPECT_EQ(ours.holders[0].who.pid, ::getpid());
  EXPECT_EQ(status_of(child([&] {
              cm::share::forget_handed_out();
              return segment::open(ours)->bytes()[0] == std::byte{'a'};
            })),
            0);
  got.reset();
  cm::share::forget_handed_out();
  EXPECT_THROW(static_cast<void>(segment::open(which)), cm::owner_died);
  EXPECT_THROW(static_cast<void>(segment::open(ours)), cm::owner_died);
}

TEST_F(segment_test, a_maker_that_lives_serves_when_the_sender_has_died) {
  const line there, back;
  const auto it = segment::create(1);
  it->bytes()[0] = std::byte{9};
  const pid_t pid = child([&] {  // a fork's handle names the original too
    back.send(it->hand_out());
    return true;
  });
  const handle which = back.take<handle>();
  EXPECT_EQ(status_of(pid), 0);
  EXPECT_EQ(which.holders[0].who.pid, pid);
  EXPECT_EQ(which.holders[1].who.pid, ::getpid());
  EXPECT_EQ(status_of(child([&] { return segment::open(which)->bytes()[0] == std::byte{9}; })), 0);
  static_cast<void>(segment::open(which));
}

TEST_F(segment_test, a_descriptor_that_user_code_closed_is_noticed) {
  EXPECT_EQ(status_of(child([&] {
              const auto it = segment::create(1);
              const int number = it->descriptor();
              ::close(number);
              const int other = ::open("/dev/null", O_RDONLY);
              if (other != number || it->descriptor() != -1) return false;
              try {
                static_cast<void>(it->hand_out());
                return false;
              } catch (const cm::owner_died&) {
              }
              // Its end does not close what is not its own.
              const_cast<std::shared_ptr<segment>&>(it).reset();
              return ::fcntl(other, F_GETFD) >= 0;
            })),
            0);
}

TEST_F(segment_test, damaged_handles_are_refused) {
  const auto it = segment::create(8);
  const handle good = it->hand_out();
  handle bad = good;
  bad.magic = 1;
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::payload_error);
  bad = good;
  bad.tag[0] ^= 1;
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::payload_error);
  bad = good;
  bad.file.inode += 1'000'000;
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::owner_died);
  bad.holders[0].number = 0;  // whatever that is, it is not opened
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::owner_died);
  bad.holders[0].who = {1, 1};
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::owner_died);
  bad.holders[0].who = {};
  EXPECT_THROW(static_cast<void>(segment::open(bad)), cm::owner_died);
  static_cast<void>(segment::open(good));
}

TEST_F(segment_test, memory_that_its_sender_may_shrink_is_refused) {
  cm::platform::fd memory(::memfd_create("centimane-shared", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), 4096), 0);
  handle which;
  which.file = cm::platform::identify(memory.get());
  which.holders[0] = {cm::platform::this_process_identity(), memory.get()};
  EXPECT_THROW(static_cast<void>(segment::open(which)), cm::payload_error);
}

TEST_F(segment_test, more_than_there_is_is_refused_by_name) {
  try {
    static_cast<void>(segment::create(std::size_t{1} << 50));
    FAIL() << "that much memory was found";
  } catch (const cm::resource_limit& e) {
    EXPECT_GE(e.need(), std::uint64_t{1} << 50);
    EXPECT_LT(e.have(), e.need());
  }
  EXPECT_EQ(segment::create(std::size_t{1} << 36, {.sparse = true})->bytes().size(), std::size_t{1} << 36);
}

TEST_F(segment_test, many_threads_open_one_memory) {
  const auto it = segment::create(8);
  const handle which = it->hand_out();
  std::vector<std::thread> threads;
  std::atomic<int> same{0};
  for (int k = 0; k < 8; ++k) threads.emplace_back([&] { same += segment::open(which) == it; });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(same, 8);
}

TEST_F(segment_test, processes_are_told_apart) {
  const process_identity me = cm::platform::this_process_identity();
  EXPECT_EQ(me.pid, ::getpid());
  EXPECT_NE(me.start, 0U);
  EXPECT_EQ(process_identity::from_word(me.word()), me);
  EXPECT_TRUE(cm::platform::is_alive(me));
  EXPECT_FALSE(cm::platform::is_alive({me.pid, me.start + 1}));
  EXPECT_FALSE(cm::platform::is_alive({}));
  const line there;
  const pid_t pid = child([&] {
    there.send(cm::platform::this_process_identity());
    ::pause();
    return true;
  });
  const auto other = there.take<process_identity>();
  EXPECT_EQ(other.pid, pid);
  EXPECT_TRUE(cm::platform::is_alive(other));
  ::kill(pid, SIGKILL);
  siginfo_t how{};
  ::waitid(P_PID, static_cast<id_t>(pid), &how, WEXITED | WNOWAIT);
  EXPECT_FALSE(cm::platform::is_alive(other)) << "a zombie";
  status_of(pid);
  EXPECT_FALSE(cm::platform::is_alive(other));
}

TEST_F(segment_test, a_robust_lock_survives_its_owner) {
  const auto it = segment::create(sizeof(cm::platform::robust_mutex));
  auto& lock = *new (it->bytes().data()) cm::platform::robust_mutex;
  lock.init();
  EXPECT_EQ(lock.lock(), cm::platform::took::clean);
  EXPECT_EQ(status_of(child([&] { return !lock.try_lock(); })), 0);
  lock.unlock();
  EXPECT_EQ(status_of(child([&] { return lock.lock() == cm::platform::took::clean; })), 0);  // ends with it
  EXPECT_EQ(lock.lock(), cm::platform::took::owner_died);
  lock.unlock();
  EXPECT_EQ(lock.lock(), cm::platform::took::clean);
  lock.unlock();
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
