// The faces of a crew: the port that a driver sees, the hand that a thread sees.
#include "thread/crew.hpp"

#include "centimane/thread_pool.hpp"
#include "thread/crew_core.hpp"
#include "thread/pool_core.hpp"

namespace centimane::engine {

crew::crew(payload& work, std::uint32_t workers, bool each_alone, std::function<void(std::uint32_t)> hire)
    : core_(std::make_shared<crew_core>(work, workers, each_alone, std::move(hire))) {}

crew::crew(payload& work, std::uint32_t workers, bool each_alone, thread_pool& from)
    : crew(work, workers != 0 ? workers : static_cast<std::uint32_t>(from.workers()), each_alone,
           [this, pool = &from](std::uint32_t n) {
             for (std::uint32_t i = 0; i < n; ++i) pool->detach([mine = pass()] { mine.work(); });
           }) {}

crew::~crew() { core_->close(); }

void crew::work() { pass().work(); }

void hand::work() const { core_->work(detail::helps_out() ? crew_core::stay::handed_on : crew_core::stay::all); }

void crew::depth(std::uint32_t n) { core_->depth(n); }
void crew::limit(nanos n) { core_->limit(n); }
void crew::driver_works() { core_->driver_works(); }
void crew::draw_from(policy::tokens& limit, nanos patience) { core_->draw_from(limit, patience); }
index crew::room() { return core_->room(); }
void crew::start(index first, index n, std::uint32_t attempt) { core_->start(first, n, attempt, false); }
policy::further crew::further() { return core_->further(); }
void crew::start_drawing(index first, index n, std::uint32_t attempt) { core_->start(first, n, attempt, true); }
void crew::recall(bool hard) { core_->recall(hard); }
bool crew::collect(events& to) { return core_->collect(to); }
void crew::wait(nanos until) { core_->wait(until); }
bool crew::arm(const detail::alarm* to) { return core_->arm(to); }
nanos crew::due() { return core_->due(); }
void crew::watch() { core_->watch(); }

}  // namespace centimane::engine
