// What travels comes back equal; what does not is refused by type; damaged records are told, never followed.
#include "centimane/codec.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "centimane/errors.hpp"
#include "leak_check.hpp"

namespace cm = centimane;

namespace {

struct random_source {
  std::uint64_t state;
  std::uint64_t operator()(std::uint64_t n) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
  }
};

enum class colour : std::uint16_t { red, green = 700 };
struct point {
  int x;
  double y;
  bool operator==(const point&) const = default;
};
struct record {
  std::string name;
  std::vector<point> points;
  char tag[5];
  int grid[2][2];
  std::optional<std::uint8_t> level;
  std::map<std::string, std::vector<int>> index;
  std::variant<std::monostate, int, std::string> any;
  colour c;
  bool operator==(const record&) const = default;
};
struct fixed {
  const int k;
  std::string s;
  bool operator==(const fixed&) const = default;
};
struct nothing_in_it {
  bool operator==(const nothing_in_it&) const = default;
};
class with_serialize {
 public:
  with_serialize() = default;
  explicit with_serialize(int a) : a_(a), b_("b") {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a_, b_);
  }
  bool operator==(const with_serialize&) const = default;

 private:
  int a_ = 0;
  std::string b_;
};
class with_halves {
 public:
  with_halves() = default;
  explicit with_halves(int a) : a_(a) {}
  template <class Archive>
  void save(Archive& ar) const {
    ar << a_ + 1;
  }
  template <class Archive>
  void load(Archive& ar) {
    ar >> a_;
    --a_;
  }
  bool operator==(const with_halves&) const = default;

 private:
  int a_ = 0;
};
struct tree {
  std::vector<tree> kids;
  int value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar& kids& value;
  }
  bool operator==(const tree&) const = default;
};
class closed {
 public:
  int get() const { return a_; }

 private:
  int a_ = 1;
};
struct holds_pointer {
  std::string s;
  struct inner {
    int* p;
  } i;
};
struct holds_reference {
  int& r;
};
struct base {
  int b;
};
struct derived : base {
  int d;
};

template <class T>
void there_and_back(const T& v) {
  cm::writer out;
  cm::codec<T>::write(out, v);
  cm::reader in(out.view());
  EXPECT_EQ(cm::codec<T>::read(in), v);
  EXPECT_EQ(in.remaining(), 0u);
  // Cut anywhere, it is refused or, by chance of its content, read as something; never read past its end.
  for (std::size_t n = 0; n < out.size(); n += 1 + out.size() / 16) {
    std::vector<std::byte> cut(out.view().begin(), out.view().begin() + static_cast<long>(n));
    cm::reader part(cut);
    EXPECT_THROW((void)cm::codec<T>::read(part), cm::payload_error);
  }
}

TEST(codec, refuses_by_type) {
  static_assert(!cm::has_codec<int*> && !cm::has_codec<std::unique_ptr<int>> && !cm::has_codec<std::shared_ptr<int>>);
  static_assert(!cm::has_codec<std::reference_wrapper<int>> && !cm::has_codec<std::tuple<int&>>);
  static_assert(!cm::has_codec<holds_pointer> && !cm::has_codec<holds_reference> && !cm::has_codec<closed>);
  static_assert(!cm::has_codec<std::vector<int*>> && !cm::has_codec<std::map<int, closed>>);
  static_assert(!cm::has_codec<derived>, "members of bases cannot be seen");
  static_assert(!cm::has_codec<std::span<closed>> && !cm::has_codec<std::function<void()>>);
  static_assert(cm::has_codec<std::string_view> && cm::has_codec<std::span<const int>>);
  static_assert(!cm::detail::can_return<std::string_view> && !cm::detail::can_return<std::vector<std::span<int>>>);
  static_assert(cm::detail::can_return<record> && cm::detail::can_return<void>);
}

TEST(codec, single_values) {
  there_and_back(3);
  there_and_back(true);
  there_and_back(-1.5L);
  there_and_back(colour::green);
  there_and_back(std::complex<float>(1, 2));
  there_and_back(std::chrono::milliseconds(7));
  there_and_back(std::chrono::system_clock::time_point(std::chrono::hours(3)));
  there_and_back(std::array<short, 3>{1, 2, 3});
  there_and_back(std::array<std::string, 2>{"a", "b"});
  there_and_back(std::array<int, 0>{});
  there_and_back(std::tuple<>{});
  there_and_back(std::tuple<int, std::string>{1, "x"});
  there_and_back(std::pair<const int, std::string>{1, "x"});
  there_and_back(fixed{1, "x"});
  there_and_back(nothing_in_it{});
  there_and_back(with_serialize(4));
  there_and_back(with_halves(4));
  there_and_back(tree{{{{}, 1}, {{{{}, 3}}, 2}}, 0});
  there_and_back(std::filesystem::path("/a/b"));
  there_and_back(std::u16string(u"wide"));
  there_and_back(std::string(3, '\0'));
}

TEST(codec, containers) {
  there_and_back(std::vector<bool>{true, false, true});
  there_and_back(std::deque<int>{1, 2});
  there_and_back(std::list<std::string>{"a", ""});
  there_and_back(std::forward_list<int>{3, 1, 2});
  there_and_back(std::set<std::string>{"a", "b"});
  there_and_back(std::multimap<int, int>{{1, 2}, {1, 3}});
  there_and_back(std::unordered_map<std::string, std::set<int>>{{"a", {1, 2}}, {"b", {}}});
  there_and_back(std::vector<nothing_in_it>(3));
  there_and_back(std::vector<std::optional<std::vector<std::string>>>{std::nullopt, {{"x"}}});
}

TEST(codec, records_of_any_content) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_source r{seed};
    record v{};
    v.name = std::string(r(40), static_cast<char>(r(256)));
    v.points.resize(r(20));
    for (auto& p : v.points) p = {static_cast<int>(r(1000)), static_cast<double>(r(1000)) / 3};
    for (char& c : v.tag) c = static_cast<char>(r(256));
    for (auto& row : v.grid) {
      for (int& n : row) n = static_cast<int>(r(100));
    }
    if (r(2) == 0) v.level = static_cast<std::uint8_t>(r(256));
    for (std::uint64_t k = r(5); k-- > 0;) v.index[std::to_string(r(100))].assign(r(6), static_cast<int>(r(9)));
    if (r(3) == 0) v.any = static_cast<int>(r(100));
    if (r(3) == 0) v.any = std::string(r(20), 'v');
    v.c = r(2) == 0 ? colour::red : colour::green;
    there_and_back(v);
    there_and_back(std::vector<record>(r(4), v));
  }
}

TEST(codec, lengths_are_checked_before_anything_is_allocated) {
  cm::writer out;
  out.raw(std::uint64_t{1} << 60);
  out.raw(0);
  cm::reader in(out.view());
  EXPECT_THROW((void)cm::codec<std::vector<double>>::read(in), cm::payload_error);
  cm::reader again(out.view());
  EXPECT_THROW((void)cm::codec<std::vector<std::string>>::read(again), cm::payload_error);
}

TEST(codec, spans_are_aligned_wherever_they_lie) {
  std::vector<double> data{1, 2, 3};
  for (std::size_t shift = 0; shift < 8; ++shift) {
    cm::writer out;
    out.bytes("........", shift);
    cm::codec<std::span<const double>>::write(out, data);
    cm::reader in(out.view());
    in.bytes(shift);
    auto s = cm::codec<std::span<const double>>::read(in);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(s.data()) % alignof(double), 0u);
    EXPECT_EQ(std::vector<double>(s.begin(), s.end()), data);
    cm::detail::end_loans();
  }
}

/// Keeps what is put beside a record in ordinary memory.
class side_table final : public cm::annex {
 public:
  std::uint32_t put(std::span<const part> parts) override {
    if (all.size() == most) return none;
    std::size_t n = 0;
    for (const part& p : parts) n = aligned(n) + p.size();
    auto memory = std::make_shared<std::vector<double>>(n / sizeof(double) + 1);
    auto* to = reinterpret_cast<std::byte*>(memory->data());
    n = 0;
    for (const part& p : parts) {
      n = aligned(n);
      std::memcpy(to + n, p.data(), p.size());
      n += p.size();
    }
    all.push_back({to, n, memory});
    return static_cast<std::uint32_t>(all.size() - 1);
  }
  void drop() noexcept override { all.clear(); }
  std::vector<cm::annexed> all;
  std::size_t most = 100;
};

struct large_record {
  std::vector<double> numbers;
  std::string text;
  std::map<std::string, std::vector<std::int32_t>> parts;
  std::vector<std::array<float, 3>> points;
  bool operator==(const large_record&) const = default;
};

TEST(codec, long_runs_lie_beside_the_record) {
  large_record v;
  v.numbers.resize(100'000);
  std::iota(v.numbers.begin(), v.numbers.end(), 0.5);
  v.text.assign(70'000, 't');
  v.parts["large"].assign(20'000, 3);
  v.parts["small"].assign(20, 4);
  v.points.resize(6000, {1, 2, 3});
  for (const std::size_t most : {std::size_t{100}, std::size_t{2}, std::size_t{0}}) {
    side_table beside;
    beside.most = most;
    cm::writer out;
    out.attach(&beside);
    cm::codec<large_record>::write(out, v);
    EXPECT_EQ(beside.all.size(), std::min<std::size_t>(most, 4));
    EXPECT_TRUE(most < 4 || out.size() < 1000) << "only numbers of blocks, and what is small";
    cm::reader in(out.view(), beside.all);
    EXPECT_TRUE(cm::codec<large_record>::read(in) == v);
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(codec, spans_look_into_what_lies_beside) {
  std::vector<double> data(50'000, 1.5);
  side_table beside;
  cm::writer out;
  out.attach(&beside);
  cm::codec<std::span<double>>::write(out, std::span<double>(data));
  cm::codec<std::string_view>::write(out, std::string(80'000, 'v'));
  cm::reader in(out.view(), beside.all);
  const auto s = cm::codec<std::span<double>>::read(in);
  EXPECT_EQ(reinterpret_cast<const std::byte*>(s.data()), beside.all[0].data) << "a copy";
  const auto t = cm::codec<std::string_view>::read(in);
  EXPECT_EQ(reinterpret_cast<const std::byte*>(t.data()), beside.all[1].data) << "a copy";
  EXPECT_EQ(t.size(), 80'000u);
}

TEST(codec, what_should_lie_beside_and_does_not_is_an_error) {
  side_table beside;
  cm::writer out;
  out.attach(&beside);
  cm::codec<std::vector<double>>::write(out, std::vector<double>(50'000));
  cm::reader without(out.view());
  EXPECT_THROW((void)cm::codec<std::vector<double>>::read(without), cm::payload_error);
  beside.all[0].size -= 8;
  cm::reader shortened(out.view(), beside.all);
  EXPECT_THROW((void)cm::codec<std::vector<double>>::read(shortened), cm::payload_error);
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
