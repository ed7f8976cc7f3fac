#include "share/segment.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "centimane/errors.hpp"
#include "memory/headroom.hpp"
#include "memory/lent.hpp"
#include "platform/clock.hpp"
#include "platform/fault.hpp"
#include "platform/fork_hooks.hpp"
#include "platform/memfd.hpp"

namespace centimane::share {
namespace {

constexpr std::uint64_t memory_mark = 0x31'67'65'73'2e'6d'63ULL;  // "cm.seg1"
constexpr std::size_t page = 4096;
/// So long is kept what was handed out, has no user here any more, and was never taken.
constexpr std::int64_t patience = 60'000'000'000;
constexpr std::size_t serials = 512;

/// How long is waited for what a worker has given to its driver and the driver has not looked at.
constexpr std::int64_t mail_patience = 3'000'000'000;

payload_error damaged(const char* what) {
  return payload_error(std::string("centimane: the handle of shared memory is damaged: ") + what, "read_args");
}

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
    bool lent;           ///< this worker's driver keeps it too
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
  /// Until it was taken.
  void keep(const std::shared_ptr<segment>& memory, std::int64_t now, bool lent) {
    for (kept& it : handed_out) {
      if (it.memory != memory) continue;
      it.since = now;
      it.lent = it.lent && lent;
      return;
    }
    handed_out.push_back({memory, now, lent});
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
  CENTIMANE_FAULT("segment.made");
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

std::shared_ptr<segment> segment::map(platform::fd memory, const platform::file_identity& file, const holder& from) {
  if (!platform::keeps_its_size(memory.get())) throw damaged("the memory is not what we make");
  const std::size_t size = platform::memory_size(memory.get());
  if (size < sizeof(header)) throw damaged("the memory is too small");
  platform::mapping map(memory.get(), size, platform::access::write);
  if (reinterpret_cast<const header*>(map.data())->magic != memory_mark)
    throw damaged("the memory is not what we make");
  std::shared_ptr<segment> opened(new segment(std::move(memory), std::move(map), file, from));
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  std::shared_ptr<segment> found = books.find(file);  // another thread was quicker
  return found ? found : books.enter(std::move(opened));
}

/// Out of the hands of a living process; null if it has it no more.
std::shared_ptr<segment> segment::from_holder(const holder& there, const platform::file_identity& file) {
  if (there.number >= 0) {
    platform::fd memory = platform::memory_of(there.who.pid, there.number, file);
    return memory ? map(std::move(memory), file, there) : nullptr;
  }
  // A worker has given it to its driver, which finds it in its mail.
  const bool here = there.who == platform::this_process_identity();
  for (const std::int64_t latest = platform::now() + mail_patience;;) {
    if (here) {
      segment_books& books = segment_books::get();
      const std::lock_guard hold(books.mutex);
      if (std::shared_ptr<segment> found = books.find(file)) return found;
    } else if (platform::fd memory = platform::memory_of(there.who.pid, file)) {
      return map(std::move(memory), file, there);
    }
    if (platform::now() >= latest || !platform::is_alive(there.who)) return nullptr;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

/// What a worker has given: kept until it was taken, as if it had been handed out here.
void segment::adopt(platform::fd memory) {
  const platform::file_identity file = platform::identify(memory.get());
  let_go_of_what_was_taken();
  segment_books& books = segment_books::get();
  std::shared_ptr<segment> it;
  {
    const std::lock_guard hold(books.mutex);
    it = books.find(file);
  }
  if (!it) it = map(std::move(memory), file, {});
  const std::lock_guard hold(books.mutex);
  books.keep(it, platform::now(), false);
}

std::shared_ptr<segment> segment::open(const handle& which) {
  if (which.magic != handle::mark) throw damaged("these bytes are none");
  std::shared_ptr<segment> found = known(which);
  std::string tried;
  for (const holder& there : which.holders) {
    if (found) break;
    if (!there.who) continue;
    const bool lives = platform::is_alive(there.who);
    tried += (tried.empty() ? "" : ", ") + std::string("process ") + std::to_string(there.who.pid) +
             (lives ? " has let go of it" : " has ended");
    if (lives) found = from_holder(there, which.file);
  }
  if (!found) {
    throw owner_died(
        "centimane: the shared memory that was sent is gone: " + (tried.empty() ? "nobody holds it" : tried) +
        ". It stays as long as any process keeps an object that uses it: keep one where it was made");
  }
  CENTIMANE_FAULT("segment.mapped");
  header& head = found->head();
  if (head.tag != which.tag) throw damaged("it names other memory");
  const std::uint32_t place = which.serial % serials;
  head.under_way[place / 64].fetch_and(~(std::uint64_t{1} << place % 64));
  CENTIMANE_FAULT("segment.taken");
  return found;
}

handle segment::hand_out() {
  let_go_of_what_was_taken();
  handle it;
  it.file = file_;
  header& head = this->head();
  it.tag = head.tag;
  it.serial = head.next_serial.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t place = it.serial % serials;
  const int number = descriptor();
  // The process that this one was forked from, or had the memory from.
  holder other = here_.who != platform::this_process_identity() ? here_ : from_;
  head.under_way[place / 64].fetch_or(std::uint64_t{1} << place % 64);
  CENTIMANE_FAULT("segment.marked");
  // A worker may end at any moment from now on: its driver keeps what it sends.
  bool lent = false;
  if (number >= 0) {
    if (const platform::process_identity driver = memory::lend(number)) {
      other = {driver, -1};
      lent = true;
    }
  }
  CENTIMANE_FAULT("segment.lent");
  std::size_t n = 0;
  if (number >= 0) it.holders[n++] = {platform::this_process_identity(), number};
  if (other.who) it.holders[n++] = other;
  if (n == 0) {
    throw owner_died("centimane: shared memory cannot be sent: something in this process has closed its descriptor");
  }
  segment_books& books = segment_books::get();
  const std::lock_guard hold(books.mutex);
  for (const segment_books::entry& known : books.open) {
    if (known.file != file_) continue;
    if (std::shared_ptr<segment> self = known.memory.lock(); self.get() == this)
      books.keep(self, platform::now(), lent);
  }
  return it;
}

/// What is no memory of ours is not kept; nor is anything without memory for the books.
void segment::keep_for_worker(platform::fd memory) noexcept try {
  if (memory) adopt(std::move(memory));
} catch (const std::exception&) {
}
void segment::forget_lent() noexcept try {
  segment_books& books = segment_books::get();
  std::vector<segment_books::kept> done;  // let go outside the lock, which their destructors take
  const std::lock_guard hold(books.mutex);
  const auto lent = std::partition(books.handed_out.begin(), books.handed_out.end(),
                                   [](const segment_books::kept& kept) { return !kept.lent; });
  done.assign(std::make_move_iterator(lent), std::make_move_iterator(books.handed_out.end()));
  books.handed_out.erase(lent, books.handed_out.end());
} catch (const std::exception&) {  // the same
}
/// Of memory that this process has not mapped.
bool segment::is_under_way(int file) noexcept try {
  constexpr std::size_t size = sizeof(header);
  if (!platform::keeps_its_size(file) || platform::memory_size(file) < size) return false;
  const platform::mapping map(file, size, platform::access::read);
  const auto& head = *reinterpret_cast<const header*>(map.data());
  return head.magic == memory_mark &&
         std::any_of(head.under_way.begin(), head.under_way.end(), [](const auto& bits) { return bits.load() != 0; });
} catch (const std::exception&) {
  return false;
}
const bool segment::keeps_for_workers = (memory::set_keeper(&keep_for_worker, &forget_lent, &is_under_way), true);

bool segment::under_way() const noexcept {
  return std::any_of(head().under_way.begin(), head().under_way.end(),
                     [](const auto& bits) { return bits.load() != 0; });
}

void segment::let_go_of_what_was_taken() noexcept try {
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
} catch (const std::exception&) {  // no memory for the list: another time
}

void forget_handed_out() noexcept {
  segment_books& books = segment_books::get();
  std::vector<segment_books::kept> all, inherited;
  const std::lock_guard hold(books.mutex);
  std::swap(all, books.handed_out);
  std::swap(inherited, books.of_the_parent);
}

}  // namespace centimane::share
