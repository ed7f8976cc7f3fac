// The parts of `payload` and `servant` that are the same for every face.
#include "centimane/detail/payload.hpp"

namespace centimane::engine {

const char* name_of(stage where) noexcept {
  switch (where) {
    case stage::none:
      return "";
    case stage::sent:
      return "sent";
    case stage::claim:
      return "claim";
    case stage::read_args:
      return "read_args";
    case stage::run:
      return "run";
    case stage::write_result:
      return "write_result";
    case stage::zygote:
      return "zygote";
    case stage::protocol:
      return "protocol";
    case stage::write_args:
      return "write_args";
    case stage::read_result:
      return "read_result";
    case stage::start:
      return "start";
  }
  return "";
}

index payload::invoke_range(index first, index n, int worker, verdict& last) {
  index done = 0;
  last = verdict{};
  while (done < n && last.ok) last = invoke(first + done++, 1, worker);
  return done;
}

void payload::invoke_drawn(supply& from, int worker) {
  index item = 0;
  std::uint32_t attempt = 1;
  verdict last;
  for (bool more = from.draw(nullptr, item, attempt); more; more = from.draw(&last, item, attempt)) {
    last = invoke(item, attempt, worker);
  }
}

verdict payload::not_sent(index item, std::exception_ptr why) {
  trouble account;
  account.where = stage::write_args;
  try {
    std::rethrow_exception(std::move(why));
  } catch (const std::exception& e) {
    account.text = e.what();
  }
  return fail(item, 1, account);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): faces keep it
verdict servant::not_sent(std::exception_ptr, writer&) { return {false, false, 0}; }

}  // namespace centimane::engine
