// Checks the channel (src/process/channel*, bell.*) in every way that the memory model lets two threads and a death
// interleave, plan by plan.
//
//   channel_model [--plan=NAME] [--long] [--weaken=SITE,SITE…:FROM:TO]… [--sites] [--quiet]
//
// --long: larger plans, for minutes. --weaken: at these places of the program (as --sites prints them) the order FROM
// becomes TO; mutate.py asks for it. The exit status is 1 if a promise is broken; the history that breaks it is
// printed.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "model/channel_world.hpp"

namespace centimane::model {
namespace {

constexpr engine::channel_shape tiny{2, 4, 256, 256, 0};
constexpr engine::channel_shape about_to_wrap{2, 4, 256, 256, 0U - 1};

std::vector<plan> plans(bool large) {
  const std::uint8_t more = large ? 1 : 0;
  plan watched{"watched", "looked at while it runs, asked to stop", tiny, 1U + more, 1};
  watched.looks = 2;
  watched.timed = true;
  plan stopped{"stopped", "the first of two is looked at and asked to stop", tiny, 2, 2};
  stopped.script = "2";
  stopped.looks = 1;
  stopped.lazy = large;
  plan peeked{"peeked", "drained without a sleep; failures and wake-ups for no reason", tiny, 1U + more, 1};
  peeked.peeks = 2;
  peeked.spurious = 2;
  plan endless{"endless", "a task does not end until the driver has the results that it asked for", tiny, 3, 3};
  endless.script = "3";
  endless.endless = true;
  endless.mortal = false;
  plan bundles{"bundles", "bundles, over the end of all numbers", about_to_wrap, 2U + more, 2};
  plan taken{"taken", "tasks are taken back, others sent in their place", about_to_wrap, 2U + more, 2};
  taken.script = "2";
  taken.take_backs = 1;
  plan recalled{"recalled", "a task is taken back while the driver sleeps and wants its result", tiny, 2, 1};
  recalled.script = "11n";
  recalled.take_backs = 1;
  // The third task is taken back, and the fourth, larger, takes its number at another place of the ring: a worker that
  // reads an old end of the bundle meets the wrong bytes.
  plan shrunk{"shrunk", "a bundle becomes shorter while the worker stands in it", tiny, 4, 2};
  shrunk.script = "1n2t11";
  shrunk.task_bodies = {80, 72, 8, 72, 8, 8};
  shrunk.lazy = shrunk.mortal = large;
  plan closed{"closed", "told to leave while it has work; asks to be replaced", tiny, 2, 2};
  closed.early_close = closed.recycle = true;
  plan room{"room", "results fill their ring, the worker waits for room", tiny, 3U + more, 3};
  room.result_body = 80;
  room.script = "3";
  plan singles{"singles", "one task a bundle: each slot is used again", tiny, 3, 1};
  // Small ones first: they find most of what there is.
  return {watched, peeked, stopped, recalled, endless, bundles, taken, closed, room, singles, shrunk};
}

constexpr const char* order_names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};

order order_of(std::string_view name) {
  for (std::uint8_t o = 0; o < 6; ++o) {
    if (name == order_names[o]) return static_cast<order>(o);
  }
  std::fprintf(stderr, "no order is named %.*s\n", static_cast<int>(name.size()), name.data());
  std::exit(2);
}

void read_weakened(std::string_view text, std::vector<weaker>& into) {
  const std::size_t first = text.find(':'), second = text.rfind(':');
  if (first == std::string_view::npos || first == second) std::exit(2);
  const order from = order_of(text.substr(first + 1, second - first - 1)), to = order_of(text.substr(second + 1));
  std::string sites(text.substr(0, first));
  for (char* at = sites.data(); at != nullptr && *at != 0;) {
    into.push_back({std::strtoul(at, &at, 16), from, to});
    if (*at == ',') ++at;
  }
}

int check(int count, char** arguments) {
  std::string only;
  bool large = std::getenv("CENTIMANE_MODEL_LONG") != nullptr, sites = false, quiet = false;
  settings s;
  for (int k = 1; k < count; ++k) {
    const std::string_view a = arguments[k];
    if (a.starts_with("--plan="))
      only = a.substr(7);
    else if (a == "--long")
      large = true;
    else if (a == "--sites")
      sites = true;
    else if (a == "--quiet")
      quiet = true;
    else if (a.starts_with("--weaken="))
      read_weakened(a.substr(9), s.weakened);
    else if (a.starts_with("--most="))
      s.most_states = std::strtoul(a.data() + 7, nullptr, 10);
    else
      return std::fprintf(stderr, "unknown: %s\n", arguments[k]), 2;
  }
  machine& m = the_machine();
  s.list_sites = sites;
  std::size_t states = 0;
  for (const plan& p : plans(large)) {
    if (!only.empty() && only != p.name) continue;
    const auto start = std::clock();
    s.mortal = p.mortal;  // what may die need not: histories without a death are among these
    s.spurious = p.spurious;
    channel_world world(p, m);
    const finding f = m.explore(world.parts(), s);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    states += f.states;
    if (sites) {
      for (const site& at : m.sites()) {
        std::printf("site %lx %s %s %s %s %s\n", static_cast<unsigned long>(at.at), at.what, at.word.c_str(),
                    at.by == driver ? "driver" : "worker", order_names[static_cast<int>(at.first)],
                    order_names[static_cast<int>(at.second)]);
      }
    }
    if (!f.fault.empty()) {
      if (!quiet) std::printf("%s", f.history.c_str());
      std::printf("%s: %s (after %zu runs)\n", p.name, f.fault.c_str(), f.runs);
      return 1;
    }
    if (!quiet && !sites) {
      std::printf("%-8s %9zu states %9zu runs %6.1f s%s  %s\n", p.name, f.states, f.runs, seconds,
                  f.complete ? "" : " (cut short)", p.about);
      std::fflush(stdout);
    }
  }
  if (!sites) std::printf("channel_model: %zu states, no promise broken\n", states);
  return 0;
}

}  // namespace
}  // namespace centimane::model

int main(int count, char** arguments) { return centimane::model::check(count, arguments); }
