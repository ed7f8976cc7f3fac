#include "process/control.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "leak_check.hpp"
#include "platform/memfd.hpp"
#include "platform/message.hpp"

namespace {

using namespace centimane::engine;
namespace platform = centimane::platform;

std::vector<std::byte> pattern(std::size_t n, unsigned seed = 1) {
  std::vector<std::byte> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<std::byte>((i * 31 + seed) & 0xFF);
  return all;
}

std::shared_ptr<const control_body> body_of(const std::vector<std::byte>& bytes) {
  return std::make_shared<const control_body>(bytes);
}

struct ends {
  control_socket driver, worker;
  ends() : ends(control_socket::make_pair()) {}
  explicit ends(std::pair<platform::fd, platform::fd> pair)
      : driver(std::move(pair.first)), worker(std::move(pair.second)) {}
};

/// What a worker puts in front of a body; it may lie in all of it.
struct frame {
  std::uint32_t kind, by_file;
  std::uint64_t id, length;
};

void send_raw(int socket, const void* bytes, std::size_t n, std::span<const int> fds) {
  ASSERT_EQ(platform::send_message(socket, {static_cast<const std::byte*>(bytes), n}, {}, fds, false),
            platform::transfer::done);
}

TEST(control, bodies_of_every_size_arrive_whole_and_in_order) {
  ends both;
  const std::size_t sizes[] = {0, 1, 100, control_inline - 1, control_inline, control_inline + 1, 1 << 20, 5 << 20};
  std::uint32_t number = 0;
  for (const std::size_t n : sizes) {
    EXPECT_EQ(both.driver.post(control::define, n, body_of(pattern(n))), ++number);
    auto got = both.worker.receive_blocking();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->kind, control::define);
    EXPECT_EQ(got->id, n);
    EXPECT_EQ(got->length, n);
    EXPECT_EQ(static_cast<bool>(got->body_file), n > control_inline);
    EXPECT_EQ(got->take_body(), pattern(n));
  }
  EXPECT_EQ(both.driver.posted(), number);
}

TEST(control, a_message_without_a_body) {
  ends both;
  both.driver.post(control::begin);
  const auto got = both.worker.receive_blocking();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, control::begin);
  EXPECT_EQ(got->length, 0U);
}

TEST(control, a_full_socket_keeps_messages_in_order_and_never_blocks) {
  ends both;
  constexpr std::uint64_t n = 2000;
  const auto body = body_of(pattern(8000));
  for (std::uint64_t i = 0; i < n; ++i) both.driver.post(control::define, i, body);
  EXPECT_FALSE(both.driver.flush()) << "16 MB cannot be in a socket";
  bool gone = false;
  for (std::uint64_t i = 0; i < n;) {
    if (const auto got = both.worker.receive(gone)) {
      ASSERT_EQ(got->id, i);
      ++i;
    } else {
      ASSERT_FALSE(gone);
      both.driver.flush();
    }
  }
  EXPECT_TRUE(both.driver.flush());
}

TEST(control, one_large_body_goes_to_many_and_none_can_change_it) {
  const auto bytes = pattern(100'000);
  const auto body = body_of(bytes);
  ends a, b;
  a.driver.post(control::define, 1, body);
  b.driver.post(control::define, 1, body);
  auto first = a.worker.receive_blocking();
  ASSERT_TRUE(first && first->body_file);
  const char evil = 'x';
  EXPECT_LT(pwrite(first->body_file.get(), &evil, 1, 0), 0);
  EXPECT_NE(ftruncate(first->body_file.get(), 0), 0);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, first->body_file.get(), 0), MAP_FAILED);
  auto second = b.worker.receive_blocking();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->take_body(), bytes);
}

TEST(control, the_end_is_told_after_what_was_sent) {
  auto [mine, theirs] = control_socket::make_pair();
  control_socket driver(std::move(mine));
  {
    control_socket worker(std::move(theirs));
    worker.post(control::ready);
  }
  bool gone = false;
  EXPECT_TRUE(driver.receive(gone));
  EXPECT_FALSE(gone);
  EXPECT_FALSE(driver.receive(gone));
  EXPECT_TRUE(gone);
  driver.post(control::define, 1, body_of(pattern(100)));  // no SIGPIPE, nothing kept
  EXPECT_TRUE(driver.flush());
  EXPECT_FALSE(driver.receive_blocking());
}

TEST(control, nothing_there_is_not_the_end) {
  ends both;
  bool gone = false;
  EXPECT_FALSE(both.driver.receive(gone));
  EXPECT_FALSE(gone);
}

TEST(control, a_worker_that_lies_is_as_one_that_is_gone) {
  const platform::fd file = platform::make_memory("centimane-lie", 4096);
  const int one[] = {file.get()}, two[] = {file.get(), file.get()};
  const auto refused = [](const frame& f, std::size_t n, std::span<const int> fds) {
    auto [mine, theirs] = control_socket::make_pair();
    std::array<std::byte, 64> bytes{};
    std::memcpy(bytes.data(), &f, sizeof f);
    send_raw(theirs.get(), bytes.data(), n, fds);
    control_socket driver(std::move(mine));
    bool gone = false;
    return !driver.receive(gone) && gone;
  };
  EXPECT_TRUE(refused({17, 0, 1, 100}, sizeof(frame), {})) << "a body that is not there";
  EXPECT_TRUE(refused({17, 0, 1, 0}, sizeof(frame) + 3, {})) << "a body that was not told";
  EXPECT_TRUE(refused({17, 0, 1, 0}, 5, {})) << "half a frame";
  EXPECT_TRUE(refused({17, 1, 1, 10}, sizeof(frame), {})) << "a file that is not there";
  EXPECT_TRUE(refused({17, 0, 1, 0}, sizeof(frame), one)) << "a file that was not told";
  EXPECT_TRUE(refused({17, 1, 1, 10}, sizeof(frame), two)) << "two files";
  EXPECT_TRUE(refused({17, 7, 1, 10}, sizeof(frame), one)) << "no such way to travel";
  EXPECT_FALSE(refused({17, 1, 1, 10}, sizeof(frame), one));
}

TEST(control, a_message_that_is_too_long_is_refused) {
  auto [mine, theirs] = control_socket::make_pair();
  const auto bytes = pattern(control_inline + 1000);
  send_raw(theirs.get(), bytes.data(), bytes.size(), {});
  control_socket driver(std::move(mine));
  bool gone = false;
  EXPECT_FALSE(driver.receive(gone));
  EXPECT_TRUE(gone);
}

TEST(control, an_empty_message_is_refused) {
  auto [mine, theirs] = control_socket::make_pair();
  ASSERT_EQ(send(theirs.get(), "", 0, MSG_NOSIGNAL), 0);
  control_socket driver(std::move(mine));
  bool gone = false;
  EXPECT_FALSE(driver.receive(gone));
  EXPECT_TRUE(gone);
}

TEST(control, a_file_is_checked_before_it_is_read) {
  const auto take = [](platform::fd file, std::uint64_t length, std::uint64_t most = UINT64_MAX) {
    control_message m;
    m.kind = control::give_back;
    m.length = length;
    m.body_file = std::move(file);
    return m.take_body(most);
  };
  EXPECT_THROW(take(platform::make_memory("centimane-short", 100), 101), std::runtime_error);
  EXPECT_THROW(take(platform::make_memory("centimane-bomb", std::size_t{1} << 40), std::uint64_t{1} << 40),
               std::runtime_error);
  EXPECT_THROW(take(platform::make_memory("centimane-cap", 4096), 4096, 4095), std::runtime_error);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const platform::fd out(ends[1]);
  EXPECT_THROW(take(platform::fd(ends[0]), 1), std::runtime_error) << "a pipe would block";
  EXPECT_EQ(take(platform::make_memory("centimane-good", 4096), 100).size(), 100U);
}

TEST(control, descriptors_that_find_no_room_are_an_error_not_a_message) {
  auto [mine, theirs] = control_socket::make_pair();
  control_socket driver(std::move(mine)), worker(std::move(theirs));
  worker.post(control::give_back, 1, body_of(pattern(100'000)));
  std::vector<platform::fd> fill;
  for (;;) {
    platform::fd one(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!one) break;
    fill.push_back(std::move(one));
    if (fill.size() > 100'000) GTEST_SKIP() << "no limit on descriptors";
  }
  bool gone = false;
  EXPECT_FALSE(driver.receive(gone));
  EXPECT_TRUE(gone);
}

TEST(control, knows_when_something_else_is_at_its_number) {
  ends both;
  EXPECT_TRUE(both.worker.intact());
  const platform::fd other(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_GE(dup2(other.get(), both.worker.get()), 0);
  EXPECT_FALSE(both.worker.intact());
}

TEST(control, a_worker_waits_for_room) {
  ends both;
  constexpr int n = 1000;
  const auto body = body_of(pattern(10'000));
  std::thread worker([&] {
    for (int i = 0; i < n; ++i) {
      both.worker.post(control::give_back, static_cast<std::uint64_t>(i), body);
      both.worker.flush_blocking();
    }
  });
  for (int i = 0; i < n; ++i) {
    const auto got = both.driver.receive_blocking();
    ASSERT_TRUE(got);
    ASSERT_EQ(got->id, static_cast<std::uint64_t>(i));
  }
  worker.join();
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
