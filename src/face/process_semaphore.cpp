#include "centimane/process_semaphore.hpp"

#include <stdexcept>
#include <string>
#include <system_error>

#include "face/share_travel.hpp"
#include "share/semaphore.hpp"

namespace centimane {
inline namespace v0 {

static_assert(process_semaphore::max() == share::semaphore::most);

process_semaphore::process_semaphore(count initial, count most) {
  if (most > max())
    throw std::invalid_argument("centimane: process_semaphore: most must be at most " + std::to_string(max()) +
                                ", not " + std::to_string(most));
  if (initial > most)
    throw std::invalid_argument("centimane: process_semaphore: initial must be at most " + std::to_string(most) +
                                ", not " + std::to_string(initial));
  it_ = share::semaphore::make(static_cast<std::uint32_t>(initial), static_cast<std::uint32_t>(most));
}

bool process_semaphore::take(std::int64_t until) const {
  if (it_->try_take()) return true;
  share::patience wait(until);
  return it_->take(wait) == share::semaphore::outcome::taken;
}

void process_semaphore::acquire() const { (void)take(share::patience::for_ever); }

bool process_semaphore::try_acquire() const { return take(0); }

void process_semaphore::release(count permits) const {
  for (std::size_t k = 0; k < permits; ++k) {
    if (!it_->give_back())
      throw std::system_error(std::make_error_code(std::errc::value_too_large),
                              "centimane: release: the semaphore has all its permits already");
  }
}

std::size_t process_semaphore::value() const noexcept { return it_->value(); }

void codec<process_semaphore>::write(writer& out, const process_semaphore& s) { share::write_handle(out, *s.it_); }

process_semaphore codec<process_semaphore>::read(reader& in) {
  return process_semaphore(process_semaphore::opened{share::read_handle<share::semaphore>(in)});
}

}  // namespace v0
}  // namespace centimane
