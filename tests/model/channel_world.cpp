#include "model/channel_world.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace {

/// What the ends of a channel keep on the heap, in one place, so that it belongs to the state that is compared.
struct {
  alignas(16) std::byte bytes[256];
  std::size_t used = 0;
  bool open = false;
} ledger;

/// The world that is explored.
const centimane::model::channel_world* present = nullptr;

bool in_ledger(const void* p) { return p >= ledger.bytes && p < ledger.bytes + sizeof ledger.bytes; }

}  // namespace

void* operator new(std::size_t n) {
  if (!ledger.open) {
    if (void* p = std::malloc(n)) return p;
    std::abort();
  }
  if (ledger.used + n > sizeof ledger.bytes) std::abort();
  void* p = ledger.bytes + ledger.used;
  ledger.used += (n + 15) / 16 * 16;
  return p;
}
void operator delete(void* p) noexcept {
  if (!in_ledger(p)) std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

namespace centimane::model {

using namespace engine;

void channel_world::begin() {
  present = this;
  reset_kernel();
  ledger = {};
  ledger.open = true;
  bell_.emplace();
  channel_.emplace(plan_.shape);
  worker_.emplace(channel_->memory(), bell_->page(), bell_->ring_fd());
  ledger.open = false;
  m_.hold_bytes(channel_->memory().task + layout::task_bytes_at(plan_.shape), plan_.shape.task_bytes);
  m_.hold_bytes(channel_->memory().result + layout::result_bytes_at(), plan_.shape.result_bytes);
  items_ = {};
  queue_begin_ = 0;
  queue_end_ = static_cast<std::uint8_t>(plan_.items);
  for (std::uint8_t i = 0; i < queue_end_; ++i) queue_[i] = i;
  held_begin_ = held_end_ = 0;
  limit_ = plan_.shape.first;
  wanted_ = plan_.shape.first;
  script_ = plan_.script;
  take_backs_ = plan_.take_backs;
  peeks_ = plan_.peeks;
  looks_ = plan_.looks;
  closing_ = buried_ = wished_ = false;
  if (plan_.timed) channel_->timed(true);
}

/// All of this object, the ends and their heap, byte by byte.
std::vector<std::span<std::byte>> channel_world::parts_of_state() {
  return {std::as_writable_bytes(std::span(this, 1)), std::as_writable_bytes(std::span(&ledger, 1)), kernel_state()};
}

void channel_world::end() {
  for (unsigned i = 0; i < plan_.items; ++i) {
    const item& it = items_[i];
    const int outcomes = (it.settled ? 1 : 0) + (it.blamed ? 1 : 0) + (it.sent_again ? 1 : 0);
    m_.require(outcomes == 1, "an item has not exactly one outcome");
    m_.require(!it.settled || it.runs == 1, "an item with a result did not run once");
    m_.require(!it.sent_again || it.at == phase::none, "an item that had begun is sent again");
  }
}

// ---- the driver

unsigned channel_world::settled() const {
  return static_cast<unsigned>(std::count_if(items_.begin(), items_.end(), [](const item& i) { return i.settled; }));
}

void channel_world::follow_script() {
  while (*script_ != 0 && !buried_) {
    m_.nothing_in_hand();
    const char step = *script_++;
    if (step == 'n') {
      while (held_begin_ != held_end_ && !buried_) nap();
    } else if (step == 't') {
      take_back(1);
    } else {
      send(static_cast<unsigned>(step - '0'));
    }
  }
}

void channel_world::drive() {
  enum class act : std::uint8_t { send, take_back, nap, peek, look, close };
  follow_script();
  while (settled() < plan_.items && !buried_) {
    std::array<std::pair<act, unsigned>, 16> may{};
    unsigned n = 0;
    const auto queued = static_cast<unsigned>(queue_end_ - queue_begin_),
               held = static_cast<unsigned>(held_end_ - held_begin_);
    if (held > 0) may[n++] = {act::nap, 0};
    if (!closing_) {
      for (unsigned k = 1; k <= std::min(plan_.bundle, queued); ++k) may[n++] = {act::send, k};
    }
    for (unsigned k = 1; k <= std::min(plan_.taken, held) && take_backs_ > 0 && !closing_; ++k)
      may[n++] = {act::take_back, k};
    if (held > 0 && peeks_ > 0) may[n++] = {act::peek, 0};
    if (looks_ > 0) may[n++] = {act::look, 0};
    if (plan_.early_close && queued == 0 && !closing_) may[n++] = {act::close, 0};
    m_.require(n > 0, "the driver has lost an item");
    m_.nothing_in_hand();
    const auto [what, many] = may[m_.choose(n)];
    switch (what) {
      case act::send:
        send(many);
        break;
      case act::take_back:
        --take_backs_;
        take_back(many);
        break;
      case act::nap:
        nap();
        break;
      case act::peek:
        --peeks_;
        drain();
        break;
      case act::look:
        look();
        break;
      case act::close:
        close();
        break;
    }
  }
  if (buried_) return;
  if (!closing_) close();
  m_.join_worker();
  const channel_state at_end = channel_->look();
  m_.require(at_end.sane && !at_end.begun && !at_end.claimed, "a worker with nothing to do is blamed");
}

void channel_world::send(unsigned n) {
  // One header for all, for tasks with one make a bundle.
  constexpr task_header header{0, 0, definition, 1, 0};
  std::array<std::byte, longest_body> body{};
  unsigned sent = 0;
  for (; sent < n; ++sent) {
    const std::uint8_t i = queue_[queue_begin_];
    fill(reinterpret_cast<unsigned char*>(body.data()), false, i, plan_.task_bodies[i]);
    if (!channel_->append(header, std::span(body).first(plan_.task_bodies[i]))) break;
    ++queue_begin_;
    held_[held_end_++] = i;
    items_[i].number = limit_++;
    items_[i].in_channel = true;
  }
  if (sent == 0) return nap();  // no room until a result is in
  channel_->publish();
}

void channel_world::take_back(unsigned n) {
  const std::uint32_t taken = channel_->take_back(n);
  m_.require(taken <= n, "more was taken back than asked for");
  for (std::uint32_t k = 0; k < taken; ++k) {
    const std::uint8_t i = held_[--held_end_];
    --limit_;
    items_[i].in_channel = false;
    m_.require(items_[i].at == phase::none, "an item that had begun is taken back");
    queue_[queue_end_++] = i;  // behind the others, so that another takes its number
  }
}

/// As a pool's driver sleeps (pool_core::wait).
void channel_world::nap() {
  const auto held = static_cast<unsigned>(held_end_ - held_begin_);
  const unsigned from = held == 1 || !plan_.lazy || m_.choose(2) == 0 ? 1 : held;
  wanted_ = limit_ - held + from - 1;
  channel_->ring_from(from);
  bell_->announce();
  if (!channel_->due()) {
    // Meanwhile the supervisor may take tasks back, for another worker.
    if (held > 1 && take_backs_ > 0 && m_.choose(2) == 1) {
      --take_backs_;
      take_back(1);
    }
    bell_->sleep(policy::never);
  }
  bell_->awake();
  if (m_.worker_ended() && m_.worker_died()) return bury();
  drain();
}

void channel_world::drain() {
  if (!channel_->readable()) return;
  const bool sane = channel_->drain([this](const channel::result& r) {
    m_.require(held_begin_ != held_end_, "a result came of nothing");
    const unsigned i = held_[held_begin_++];
    m_.require(r.number == items_[i].number, "a result is of another item");
    m_.require(right(r.body, true, i), "a result is not the bytes that were written");
    m_.require(!items_[i].settled, "a result came twice");
    items_[i].settled = true;
    items_[i].in_channel = false;
    m_.require(!plan_.recycle || channel_->wants_recycle(), "the wish to be replaced is not seen with the result");
  });
  m_.require(sane, "a worker that kept the protocol is taken for insane");
}

void channel_world::look() {
  --looks_;
  const channel_state s = channel_->look();
  m_.require(s.sane, "a worker that kept the protocol is taken for insane");
  if (!s.begun) return;
  m_.require(held_begin_ != held_end_, "a task has begun of none");
  item& first = items_[held_[held_begin_]];
  m_.require(first.next >= s.at, "a task is said to be further than it is");
  if (plan_.timed) m_.require(s.since >= first.opened_at, "a task is said to have begun before it did");
  if (s.at == phase::run) {
    first.asked_to_stop = true;
    channel_->soft_stop();
  }
}

void channel_world::close() {
  closing_ = true;
  channel_->closing();
}

/// The worker is dead: drain, read claim and stage once, blame. What is left is sent to another, out of this world.
void channel_world::bury() {
  drain();
  const channel_state s = channel_->look();
  m_.require(s.sane, "a dead worker that kept the protocol is taken for insane");
  if (s.begun) {
    m_.require(held_begin_ != held_end_, "a death is blamed on nothing");
    item& first = items_[held_[held_begin_++]];
    m_.require(first.at == s.at, "a death is blamed on an item that was not in that phase");
    first.blamed = true;
  }
  for (; held_begin_ != held_end_; ++held_begin_) items_[held_[held_begin_]].sent_again = true;
  for (; queue_begin_ != queue_end_; ++queue_begin_) items_[queue_[queue_begin_]].sent_again = true;
  buried_ = true;
}

// ---- the worker

/// Did the driver ask for this task's result or a later one, or has it all that came before?
bool channel_world::driver_has_what_it_wanted() const {
  return !layout::before(wanted_, running_) || held_begin_ == held_end_ ||
         items_[held_[held_begin_]].number == running_;
}

void channel_world::serve() {
  for (;;) {
    m_.nothing_in_hand();
    switch (worker_->claim()) {
      case channel_worker::next::closing:
        m_.require(held_begin_ == held_end_ || std::none_of(items_.begin(), items_.end(),
                                                            [](const item& i) { return i.in_channel && i.runs == 0; }),
                   "a worker leaves beside work");
        return;
      case channel_worker::next::dry:
        worker_->sleep();
        break;
      case channel_worker::next::task:
        one();
        break;
    }
  }
}

void channel_world::one() {
  m_.require(worker_->header().definition == definition, "a task's header is none that was written");
  const auto* const found = std::find_if(
      items_.begin(), items_.end(), [this](const item& i) { return i.in_channel && i.number == worker_->number(); });
  m_.require(found != items_.end(), "an item runs that is not in the channel");
  const auto i = static_cast<unsigned>(found - items_.begin());
  item& it = items_[i];
  it.next = phase::open;
  it.opened_at = plan_.timed ? 1 : 0;
  worker_->open();
  it.at = phase::open;
  m_.require(right(worker_->body(), false, i), "a task is not the bytes that were written");
  it.next = phase::run;
  worker_->running();
  it.at = phase::run;
  ++it.runs;
  m_.require(it.runs == 1, "an item runs twice");
  if (plan_.endless && m_.choose(2) == 1) {
    running_ = it.number;
    m_.call("runs until the driver has what it wanted", machine::no_object,
            [] { return present->driver_has_what_it_wanted(); });
    m_.called();
  }
  if (plan_.looks > 0) {
    if (worker_->stop_requested()) m_.require(it.asked_to_stop, "a task is asked to stop in another's place");
    if (worker_->soft_stop_due()) m_.require(it.asked_to_stop, "a task is interrupted in another's place");
  }
  it.next = phase::write;
  worker_->writing();
  it.at = phase::write;
  if (plan_.recycle && !wished_) {
    worker_->want_recycle();
    wished_ = true;
  }
  std::array<std::byte, longest_body> body{};
  fill(reinterpret_cast<unsigned char*>(body.data()), true, i, plan_.result_body);
  worker_->publish({}, std::span(body).first(plan_.result_body));
}

bool channel_world::right(std::span<const std::byte> body, bool result, unsigned i) const {
  std::array<unsigned char, longest_body> got{};
  const unsigned size = result ? plan_.result_body : plan_.task_bodies[i];
  if (body.size() != size) return false;
  std::memcpy(got.data(), body.data(), size);
  for (unsigned k = 0; k < size; ++k) {
    if (got[k] != byte_of(result, i, k)) return false;
  }
  return true;
}

// ---- what lies where, for histories

std::string channel_world::name(const void* p) const {
  using namespace layout;
  struct field {
    std::size_t offset;
    const char* name;
  };
  static constexpr field in_task[] = {{offsetof(task_words, wake_at), "wake_at"},
                                      {offsetof(task_words, closing), "closing"},
                                      {offsetof(task_words, timed), "timed"},
                                      {offsetof(task_words, soft_stop), "soft_stop"},
                                      {offsetof(task_words, result_head), "result_head"}};
  static constexpr field in_descriptor[] = {
      {offsetof(descriptor, first), "first"},           {offsetof(descriptor, end), "end"},
      {offsetof(descriptor, offset), "offset"},         {offsetof(descriptor, control), "control"},
      {offsetof(descriptor, definition), "definition"}, {offsetof(descriptor, attempt), "attempt"}};
  static constexpr field in_result[] = {{offsetof(result_words, claim), "claim"},
                                        {offsetof(result_words, stage), "stage"},
                                        {offsetof(result_words, since), "since"},
                                        {offsetof(result_words, result_tail), "result_tail"},
                                        {offsetof(result_words, park), "park"},
                                        {offsetof(result_words, parked), "parked"},
                                        {offsetof(result_words, wants_recycle), "wants_recycle"}};
  const auto look_up = [](std::span<const field> fields, std::ptrdiff_t at) {
    for (const field& f : fields) {
      if (static_cast<std::ptrdiff_t>(f.offset) == at) return std::string(f.name);
    }
    return "word_at_" + std::to_string(at);
  };
  if (p == &bell_->page()) return "sleeping";
  const auto* at = static_cast<const std::byte*>(p);
  const channel_memory memory = channel_->memory();
  const std::ptrdiff_t descriptors = static_cast<std::ptrdiff_t>(descriptors_at());
  const std::ptrdiff_t in = at - memory.task;
  if (in >= descriptors && in < static_cast<std::ptrdiff_t>(task_bytes_at(plan_.shape))) {
    const auto one = static_cast<std::ptrdiff_t>(sizeof(descriptor));
    return look_up(in_descriptor, (in - descriptors) % one) + "[" + std::to_string((in - descriptors) / one) + "]";
  }
  if (in >= 0 && in < descriptors) return look_up(in_task, in);
  return look_up(in_result, at - memory.result);
}

}  // namespace centimane::model
