#include "share/segment.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "centimane/errors.hpp"
#include "memory/headroom.hpp"
#include "platform/clock.hpp"
#include "platform/fork_hooks.hpp"
#include "platform/memfd.hpp"

namespace centimane::share {
namespace {

constexpr std::uint64_t memory_mark = 0x31'67'65'73'2e'6d'63ULL;  // "cm.seg1"
constexpr std::size_t page = 4096;
/// So long is kept what was handed out, has no user here any more, and was never taken.
constexpr std::int64_t patience = 60'000'000'000;
constexpr std::size_t serials = 512;

std::array<std::uint64_t, 2> random_tag() {
  std::random_device source;
  const auto word = [&] { return std::uint64_t{source()} << 32 | source(); };
  return {word(), word()};
}

}  // namespace

/// At the memory's begin. Written by its maker before anybody else sees it, but for what is atomic.
struct segment::header {
  std::uint64_t magic;
  std::array<std::uint64_t, 2> tag;
  std::uint64_t offset, size;  ///< of the user's bytes
  std::atomic<std::uint32_t> next_serial;
  std::uint32_t spare[5];
  /// A bit a handle: it is under way. By its serial, in turn: of more than 512 under way at once two share a bit.
  std::array<std::atomic<std::uint64_t>, serials / 64> under_way;
};

/// What this process has open, and what it keeps for others.
struct segment_books {
  struct kept {
    std::shared_ptr<segment> memory;
    std::int64_t since;  ///< when it was handed out, or last seen in use here
  };
  struct entry {
    platform::file_identity file;
    std::weak_ptr<segment> memory;
    std::weak_ptr<segment> users;  ///< what users hold: its end is the moment to look what may go
  };
  std::mutex mutex;
  memory::headroom headroom;
  std::vector<entry> open;
  std::vector<kept> handed_out;
  std::vector<kept> of_the_parent;  ///< what the process that this one was forked from keeps: nobody waits for ours

  static segment_books& get() noexcept {
    static segment_books& it = make();
    return it;
  }

  /// What users get. Under the lock.
  std::shared_ptr<segment> enter(std::shared_ptr<segment> made) {
    open.push_back({made->file_, made, {}});
    std::shared_ptr<segment> users = for_users(std::move(made));
    open.back().users = users;
    return users;
  }
  /// Under the lock; null if this process does not have it.
  std::shared_ptr<segment> find(const platform::file_identity& file) {
    for (entry& it : open) {
      if (it.file != file) continue;
      if (std::shared_ptr<segment> found = it.users.lock()) return found;
      std::shared_ptr<segment> memory = it.memory.lock();
      if (!memory) continue;
      std::shared_ptr<segment> again = for_users(std::move(memory));
      it.users = again;
      return again;
    }
    return nullptr;
  }
  static std::shared_ptr<segment> for_users(std::shared_ptr<segment> memory) {
    segment* it = memory.get();
    return {it, [memory = std::move(memory)](segment*) mutable {
              memory.reset();
              segment::let_go_of_what_was_taken();
            }};
  }
  /// Before fresh pages are touched.
  void ask_for(std::size_t bytes) {
    const std::lock_guard hold(mutex);
    if (headroom.take(bytes, platform::now())) return;
    throw resource_limit("centimane: " + std::to_string(bytes) + " bytes of shared memory are wanted, and " +
                             std::to_string(headroom.left()) + " are left before this process's memory limit",
                         bytes, headroom.left());
  }
  void forget(const platform::file_identity& file) noexcept {
    std::erase_if(open, [&](const entry& it) { return it.file == file && it.memory.expired(); });
  }

 private:
  static segment_books& make() {
    static auto* it = new segment_books;  // outlives every segment, whatever the order of destruction
    platform::at_fork([] { it->mutex.lock(); }, [] { it->mutex.unlock(); },
                      [] {
                        std::swap(it->of_the_parent, it->handed_out);
                        it->mutex.unlock();
                      });
    return *it;
  }
};

segment::header& segment::head() const noexcept { return *reinterpret_cast<header*>(map_.data()); }

segment::segment(platform::fd memory, platform::mapping map, const platform::file_identity& file, holder from)
    : memory_(std::move(memory)), map_(std::move(map)), file_(file), from_(from) {
  here_ = {platform::this_process_identity(), memory_.get()};
  const std::uint64_t offset = head().offset, size = head().size;
  if (offset > map_.size() || size > map_.size() - offset) {
    throw payload_error("centimane: shared memory is damaged: it does not have the size that it names", "read_args");
  }
  bytes_ = {map_.data() + offset, size};
}

segment::~segment() {
  // The number may be somebody else's by now: user code closes what it does not know, and so does a forked worker.
  if (descriptor() < 0) static_cast<void>(memory_.release());
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  books.forget(file_);
}

int segment::descriptor() const noexcept { return platform::identify(memory_.get()) == file_ ? memory_.get() : -1; }

std::shared_ptr<segment> segment::create(std::size_t size, options how) {
  static_assert(sizeof(header) <= 256 && std::atomic<std::uint64_t>::is_always_lock_free);
  let_go_of_what_was_taken();
  const std::size_t offset = how.page_aligned ? page : sizeof(header);
  if (size > SIZE_MAX - offset) throw std::bad_alloc();
  if (!how.sparse) segment_books::get().ask_for(offset + size);
  platform::fd memory = platform::make_memory("centimane-shared", offset + size);
  platform::seal_size(memory.get());
  platform::mapping map(memory.get(), offset + size, platform::access::write);
  auto* head = new (map.data()) header{};
  head->magic = memory_mark;
  head->tag = random_tag();
  head->offset = offset;
  head->size = size;
  const platform::file_identity file = platform::identify(memory.get());
  const std::shared_ptr<segment> made(new segment(std::move(memory), std::move(map), file, {}));
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  return books.enter(made);
}

std::shared_ptr<segment> segment::known(const handle& which) {
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  return books.find(which.file);
}

std::shared_ptr<segment> segment::open(const handle& which) {
  const auto damaged = [](const char* what) {
    return payload_error(std::string("centimane: the handle of shared memory is damaged: ") + what, "read_args");
  };
  if (which.magic != handle::mark) throw damaged("these bytes are none");
  std::shared_ptr<segment> found = known(which);
  if (!found) {
    std::string tried;
    for (const holder& there : which.holders) {
      if (!there.who) continue;
      const bool lives = platform::is_alive(there.who);
      tried += (tried.empty() ? "" : ", ") + std::string("process ") + std::to_string(there.who.pid) +
               (lives ? " has let go of it" : " has ended");
      if (!lives) continue;
      platform::fd memory = platform::memory_of(there.who.pid, there.number, which.file);
      if (!memory) continue;
      if (!platform::keeps_its_size(memory.get())) throw damaged("the memory is not what we make");
      const std::size_t size = platform::memory_size(memory.get());
      if (size < sizeof(header)) throw damaged("the memory is too small");
      platform::mapping map(memory.get(), size, platform::access::write);
      if (reinterpret_cast<const header*>(map.data())->magic != memory_mark)
        throw damaged("the memory is not what we make");
      std::shared_ptr<segment> opened(new segment(std::move(memory), std::move(map), which.file, there));
      segment_books& books = segment_books::get();
      const std::lock_guard hold(books.mutex);
      found = books.find(which.file);  // another thread was quicker
      if (!found) {
        found = books.enter(std::move(opened));
      }
      break;
    }
    if (!found) {
      throw owner_died(
          "centimane: the shared memory that was sent is gone: " + (tried.empty() ? "nobody holds it" : tried) +
          ". It stays as long as any process keeps an object that uses it: keep one where it was made");
    }
  }
  header& head = found->head();
  if (head.tag != which.tag) throw damaged("it names other memory");
  const std::uint32_t place = which.serial % serials;
  head.under_way[place / 64].fetch_and(~(std::uint64_t{1} << place % 64));
  return found;
}

handle segment::hand_out() {
  let_go_of_what_was_taken();
  handle it;
  it.file = file_;
  header& head = this->head();
  it.tag = head.tag;
  std::size_t n = 0;
  if (const int number = descriptor(); number >= 0) it.holders[n++] = {platform::this_process_identity(), number};
  // The process that this one was forked from, or had the memory from.
  if (here_.who != platform::this_process_identity())
    it.holders[n++] = here_;
  else if (from_.who)
    it.holders[n++] = from_;
  if (n == 0) {
    throw owner_died("centimane: shared memory cannot be sent: something in this process has closed its descriptor");
  }
  it.serial = head.next_serial.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t place = it.serial % serials;
  head.under_way[place / 64].fetch_or(std::uint64_t{1} << place % 64);
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  const std::int64_t now = platform::now();
  for (segment_books::kept& kept : books.handed_out) {
    if (kept.memory.get() != this) continue;
    kept.since = now;
    return it;
  }
  for (const segment_books::entry& known : books.open) {
    if (known.file != file_) continue;
    if (std::shared_ptr<segment> self = known.memory.lock(); self.get() == this)
      books.handed_out.push_back({self, now});
  }
  return it;
}

bool segment::under_way() const noexcept {
  return std::any_of(head().under_way.begin(), head().under_way.end(),
                     [](const auto& bits) { return bits.load() != 0; });
}

void segment::let_go_of_what_was_taken() {
  segment_books& books = segment_books::get();
  std::vector<segment_books::kept> done;  // let go outside the lock, which their destructors take
  const std::lock_guard hold(books.mutex);
  std::swap(done, books.of_the_parent);
  if (books.handed_out.empty()) return;
  const std::int64_t now = platform::now();
  const auto over = std::partition(books.handed_out.begin(), books.handed_out.end(), [&](segment_books::kept& kept) {
    if (kept.memory.use_count() > 1) kept.since = now;
    return kept.memory->under_way() && now - kept.since < patience;
  });
  done.insert(done.end(), std::make_move_iterator(over), std::make_move_iterator(books.handed_out.end()));
  books.handed_out.erase(over, books.handed_out.end());
}

void forget_handed_out() noexcept {
  segment_books& books = segment_books::get();
  std::vector<segment_books::kept> all, inherited;
  const std::lock_guard hold(books.mutex);
  std::swap(all, books.handed_out);
  std::swap(inherited, books.of_the_parent);
}

}  // namespace centimane::share
