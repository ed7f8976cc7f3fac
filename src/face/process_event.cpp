#include "centimane/process_event.hpp"

#include "face/share_travel.hpp"
#include "share/event.hpp"

namespace centimane {
inline namespace v0 {

process_event::process_event() : it_(share::event::make()) {}

bool process_event::is_set() const noexcept { return it_->is_set(); }

void process_event::set() const noexcept { it_->set(); }

void process_event::clear() const noexcept { it_->clear(); }

bool process_event::sleep(std::int64_t until) const {
  share::patience wait(until);
  return it_->wait(wait) == share::event::outcome::set;
}

void codec<process_event>::write(writer& out, const process_event& e) { share::write_handle(out, *e.it_); }

process_event codec<process_event>::read(reader& in) { return process_event(share::read_handle<share::event>(in)); }

}  // namespace v0
}  // namespace centimane
