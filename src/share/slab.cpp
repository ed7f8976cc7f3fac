#include "share/slab.hpp"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "centimane/errors.hpp"
#include "platform/fork_generation.hpp"
#include "platform/fork_hooks.hpp"

namespace centimane::share {
namespace {

constexpr std::size_t slab_size = 64 * 1024;
constexpr std::size_t units = slab_size / cell::unit;
/// What is larger has memory of its own.
constexpr std::size_t largest = slab_size / 8;

constexpr std::size_t units_of(std::size_t size) noexcept {
  return std::max<std::size_t>(1, (size + cell::unit - 1) / cell::unit);
}

/// Forks of this process, in it and in its copies: a copy knows every cell that was there.
std::atomic<std::uint64_t> forks{0};
[[maybe_unused]] const int registered =
    (platform::at_fork([] { forks.fetch_add(1, std::memory_order_relaxed); }, nullptr, nullptr), 0);

}  // namespace

/// Gives out cells of one segment after another.
class slab {
 public:
  explicit slab(std::uint32_t generation) noexcept : generation_(generation) {}

  /// This process's. A copy of the process has one of its own: the units of the other are the original's, and its lock
  /// may be held by a thread that is not here.
  static slab& here() {
    static std::atomic<slab*> current{nullptr};
    slab* it = current.load(std::memory_order_acquire);
    const std::uint32_t generation = platform::fork_generation();
    while (it == nullptr || it->generation_ != generation) {
      auto fresh = std::make_unique<slab>(generation);
      if (current.compare_exchange_strong(it, fresh.get())) it = fresh.release();  // for the life of the process
    }
    return *it;
  }

  std::shared_ptr<cell> make(cell_kind kind, std::size_t size) {
    const std::size_t n = units_of(size);
    const std::lock_guard held(mutex_);
    std::shared_ptr<segment> memory = current_.lock();
    std::size_t first = memory ? find_room(n) : units;
    if (first == units) {
      memory = segment::create(slab_size);
      current_ = memory;
      taken_.reset();
      touched_ = first = 0;
    }
    for (std::size_t k = first; k < first + n; ++k) taken_.set(k);
    std::byte* const at = memory->bytes().data() + first * cell::unit;
    if (first < touched_) std::memset(at, 0, n * cell::unit);
    touched_ = std::max(touched_, first + n);
    return std::make_shared<cell>(cell::pass{}, std::move(memory), first * cell::unit, size, kind, this);
  }

  void take_back(const segment& memory, std::uint64_t offset, std::size_t size) noexcept {
    const std::lock_guard held(mutex_);
    if (current_.lock().get() != &memory) return;
    const std::size_t first = offset / cell::unit;
    for (std::size_t k = first; k < first + units_of(size); ++k) taken_.reset(k);
  }

 private:
  [[nodiscard]] std::size_t find_room(std::size_t n) const noexcept {
    std::size_t run = 0;
    for (std::size_t k = 0; k < units; ++k) {
      run = taken_.test(k) ? 0 : run + 1;
      if (run == n) return k + 1 - n;
    }
    return units;
  }

  const std::uint32_t generation_;
  std::mutex mutex_;
  std::weak_ptr<segment> current_;
  std::bitset<units> taken_;
  std::size_t touched_ = 0;  ///< units from there on were never given out: they are zero
};

cell::cell(pass, std::shared_ptr<segment> memory, std::uint64_t offset, std::size_t size, cell_kind kind,
           slab* from) noexcept
    : memory_(std::move(memory)),
      at_(memory_->bytes().data() + offset),
      offset_(offset),
      size_(size),
      kind_(kind),
      from_(from),
      forks_(forks.load(std::memory_order_relaxed)) {}

cell::~cell() {
  if (from_ != nullptr && !known_.load() && forks_ == forks.load(std::memory_order_relaxed))
    from_->take_back(*memory_, offset_, size_);
}

std::shared_ptr<cell> cell::make(cell_kind kind, std::size_t size) {
  if (size <= largest) return slab::here().make(kind, size);
  return std::make_shared<cell>(pass{}, segment::create(size), 0, size, kind, nullptr);
}

std::shared_ptr<cell> cell::open(cell_kind kind, std::span<const std::byte> handle_bytes) {
  const auto damaged = [](const char* what) {
    return payload_error(std::string("centimane: the handle of a shared object is damaged: ") + what, "read_args");
  };
  cell_handle it;
  if (handle_bytes.size() != sizeof it) throw damaged("it does not have a handle's size");
  std::memcpy(&it, handle_bytes.data(), sizeof it);
  if (it.kind != kind) throw damaged("it is of another kind");
  std::shared_ptr<segment> memory = segment::open(it.memory);
  const std::size_t whole = memory->bytes().size();
  if (it.offset % unit != 0 || it.offset > whole || it.size > whole - it.offset)
    throw damaged("it lies outside its memory");
  return std::make_shared<cell>(pass{}, std::move(memory), it.offset, it.size, kind, nullptr);
}

cell_handle cell::hand_out() {
  known_.store(true);
  cell_handle it{};
  it.memory = memory_->hand_out();
  it.offset = offset_;
  it.size = size_;
  it.kind = kind_;
  return it;
}

void cell::expect_room_for(std::size_t wanted) const {
  if (size_ < wanted)
    throw payload_error("centimane: the handle of a shared object is damaged: it is too small for its kind",
                        "read_args");
}

}  // namespace centimane::share
