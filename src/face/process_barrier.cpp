#include "centimane/process_barrier.hpp"

#include <stdexcept>
#include <string>

#include "face/share_travel.hpp"
#include "share/barrier.hpp"

namespace centimane {
inline namespace v0 {

process_barrier::process_barrier(count parties) {
  if (parties == 0 || parties > share::barrier::most)
    throw std::invalid_argument("centimane: process_barrier: parties must be 1 to " +
                                std::to_string(share::barrier::most) + ", not " + std::to_string(parties));
  it_ = share::barrier::make(static_cast<std::uint32_t>(parties));
}

std::size_t process_barrier::pass(std::int64_t until) const {
  share::patience in, wait(until);
  const share::barrier::arrival at = it_->arrive(in);
  share::barrier::outcome how = at.how;
  if (how == share::barrier::outcome::passed) how = at.last ? it_->complete(at.place) : it_->wait(at.place, wait);
  if (how == share::barrier::outcome::passed) return at.place;
  throw broken_barrier(
      "centimane: the barrier is broken: a party has died there or waited too long, or somebody has called abort() or "
      "reset()");
}

void process_barrier::abort() const { it_->abort(); }

void process_barrier::reset() const { it_->reset(); }

std::size_t process_barrier::parties() const noexcept { return it_->parties(); }

std::size_t process_barrier::waiting() const { return it_->waiting(); }

bool process_barrier::broken() const noexcept { return it_->broken(); }

void codec<process_barrier>::write(writer& out, const process_barrier& b) { share::write_handle(out, *b.it_); }

process_barrier codec<process_barrier>::read(reader& in) {
  return process_barrier(process_barrier::opened{share::read_handle<share::barrier>(in)});
}

}  // namespace v0
}  // namespace centimane
