// Workers that lie about what is large: tables that name blocks they were never granted, that they have published
// before, that are another's, or longer than they are; leases given back that are not theirs; requests without sense.
// Each lie costs the liar and the task it was on, never the driver; and in the end every block is free.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iostream>

#include "leak_check.hpp"
#include "pool_world.hpp"
#include "process/channel_worker.hpp"
#include "process/control.hpp"
#include "process/freight.hpp"

namespace centimane::engine::test {
namespace {

class liars : public centimane::test::leak_check {};

/// A worker's life without the worker loop: it serves honestly, but for the lies.
class liar {
 public:
  liar(worker_files& files, std::uint64_t seed)
      : end_(files.task.get(), files.result.get(), files.page.get(), files.bell.get()),
        control_(std::move(files.control)),
        random_(seed) {}

  void live() {
    for (;;) {
      auto message = control_.receive_blocking();
      if (!message) return;
      ++heard_;
      if (message->kind == control::begin) break;
    }
    control_.post(control::ready);
    for (;;) {
      switch (end_.claim()) {
        case channel_worker::next::task:
          while (heard_ < end_.header().control) hear();
          one();
          break;
        case channel_worker::next::dry:
          end_.sleep();
          break;
        case channel_worker::next::closing:
          return;
      }
    }
  }

 private:
  void hear() {
    auto message = control_.receive_blocking();
    if (!message) _exit(0);
    ++heard_;
    if (message->kind != control::granted || message->id == 0) return;
    granted_.push_back(message->id);
    sizes_.push_back(reader(message->take_body()).raw<granted_block>().size);
  }
  void ask(std::uint64_t bytes) {
    const std::size_t before = granted_.size();
    control_.post(control::want, bytes);
    while (granted_.size() == before) hear();
  }
  std::uint64_t lease() {
    switch (random_() % 4) {
      case 0:
        return random_();
      case 1:
        return random_() % 40;
      default:
        return granted_.empty() ? 0 : granted_[random_() % granted_.size()];
    }
  }

  void one() {
    end_.open();
    end_.running();
    end_.writing();
    result_header head{};
    head.ok = 1;
    writer record;
    switch (random_() % 9) {
      case 0: {  // a table of nonsense
        head.kind = kind_heavy;
        const auto n = static_cast<std::uint32_t>(random_() % 5);
        record.raw(freight_head{random_() % 4 == 0 ? static_cast<std::uint32_t>(random_()) : n,
                                static_cast<std::uint32_t>(random_() % 6)});
        for (std::uint32_t k = 0; k < n; ++k) record.raw(written_block{lease(), random_() % (1 << 20)});
        break;
      }
      case 1:  // a granted block, but too long
        ask(100'000);
        head.kind = kind_heavy;
        record.raw(freight_head{1, 0});
        record.raw(written_block{granted_.back(), sizes_.back() + 1 + random_()});
        break;
      case 2:  // the same block twice
        ask(100'000);
        head.kind = kind_heavy;
        record.raw(freight_head{2, 0});
        for (int k = 0; k < 2; ++k) record.raw(written_block{granted_.back(), 100'000});
        break;
      case 3:  // a record too short for its table
        head.kind = kind_heavy;
        record.extend(random_() % 24);
        std::memset(record.data(), 1, record.size());
        break;
      case 4:  // no table at all
        head.kind = kind_heavy;
        break;
      case 5: {
        std::vector<std::uint64_t> leases;
        for (std::uint64_t n = random_() % 4; n > 0; --n) leases.push_back(lease());
        control_.post(control::give_back, 0, std::make_shared<const control_body>(std::as_bytes(std::span(leases))));
        break;
      }
      case 6:
        control_.post(control::want, random_() % 2 == 0 ? 0 : random_() | (std::uint64_t{1} << 62));
        break;
      case 7:
        for (int k = 0; k < 1200; ++k) control_.post(control::want, 64 * 1024);
        break;
      default: {  // the truth
        ask(80'000);
        head.kind = kind_heavy;
        record.raw(freight_head{1, random_() % 2 == 0 ? freight_kept : 0});
        record.raw(written_block{granted_.back(), 80'000});
        record.raw(std::int64_t{42});
      }
    }
    control_.flush();
    end_.publish(head, record.view());
  }

  channel_worker end_;
  control_socket control_;
  std::mt19937_64 random_;
  std::uint32_t heard_ = 0;
  std::vector<std::uint64_t> granted_, sizes_;
};

/// The driver's face: takes whatever comes.
class believer final : public payload {
 public:
  explicit believer(index n) : settled_times(n) {}
  std::vector<int> settled_times;
  std::uint64_t values = 0, died = 0, sum = 0;

  pulled pull(index) override { return {0, 0, true, false}; }
  verdict encode(index i, writer& out) override {
    const std::vector<std::byte> argument(i % 3 == 0 ? 100'000 : 10);
    out.bulk(argument.data(), argument.size());
    return {};
  }
  verdict decode(index, bool, reader in) override {
    for (const std::byte b : in.rest()) sum += static_cast<std::uint64_t>(b);
    ++values;
    return {};
  }
  verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index) const override { return 0; }
  verdict fail(index, std::uint32_t, const trouble& why) override {
    EXPECT_EQ(why.how, policy::outcome::died) << why.text;
    ++died;
    return {false, false, 0};
  }
  bool settled(index i, bool, std::uint32_t, int) override { return ++settled_times[i], true; }
  bool settled_values(index first, index n, int worker) override {
    for (index i = first; i < first + n; ++i) settled(i, true, 1, worker);
    return true;
  }
  [[nodiscard]] bool wants_each() const override { return true; }
  bool idle(void (*sleep)(void*), void* context) override { return sleep(context), true; }
  [[nodiscard]] std::string describe(index) const override { return {}; }
};

TEST_F(liars, cost_themselves_and_nothing_else) {
  const char* wanted = std::getenv("CENTIMANE_SEED");
  const std::uint64_t seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  std::cout << "CENTIMANE_SEED=" << seed << '\n';
  constexpr index n = 300;
  pool_rules rules;
  rules.workers = 2;
  rules.make_zygote = [seed] {
    zygote_hooks hooks;
    hooks.in_worker = [seed](worker_files files) {
      liar(files, seed ^ static_cast<std::uint64_t>(getpid()) << 20).live();
    };
    return zygote::fork_here(hooks);
  };
  auto where = pool::open(std::move(rules));
  believer work(n);
  {
    process_port port(where, work);
    policy::rules run_rules;
    run_rules.total = n;
    driver d(work, port, run_rules);
    EXPECT_EQ(d.finish(), policy::status::completed);
  }
  EXPECT_TRUE(std::all_of(work.settled_times.begin(), work.settled_times.end(), [](int k) { return k == 1; }));
  EXPECT_GT(work.died, 0U);
  EXPECT_GT(work.values, 0U);
  std::cout << work.values << " values, " << work.died << " died\n";
  where->close(0);
  EXPECT_EQ(where->leases(), 0U);
}

}  // namespace
}  // namespace centimane::engine::test

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
