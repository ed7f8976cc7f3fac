"""The rules of the channel, each broken in turn by a change of its text; and the orders that the model does not need.

The mutants of the stress tests (tests/cpp/process/mutate_channel.py) are tried too; these here are what only a look into
every corner finds.
"""

from __future__ import annotations

from typing import NamedTuple

_DRIVER = "src/process/channel.cpp"
_WORKER = "src/process/channel_worker.cpp"
_WORKER_WAY = "src/process/channel_worker.hpp"
_BELL = "src/process/bell.cpp"
_ROPE = "src/process/bell.hpp"


class Mutant(NamedTuple):
    """One broken rule: in `file`, each text (there exactly once) is replaced."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]


MUTANTS = (
    # ---- sending
    Mutant(
        "published before it is described",
        _DRIVER,
        (
            ("  while (newest_ != appended_) describe(newest_++);\n", ""),
            (
                "  limit_ += pending_;\n  pending_ = 0;\n",
                "  limit_ += pending_;\n  pending_ = 0;\n  while (newest_ != appended_) describe(newest_++);\n",
            ),
        ),
    ),
    Mutant(
        "taken back without regard to what is claimed",
        _DRIVER,
        (("    const std::uint32_t unclaimed = limit_ - low(now);", "    const std::uint32_t unclaimed = held();"),),
    ),
    Mutant(
        "sleeper looked for before publishing",
        _DRIVER,
        (
            (
                "  const std::uint64_t before_us = worker().claim.fetch_add",
                (
                    "  const bool sleeps = worker().parked.load(std::memory_order_seq_cst) != 0;\n"
                    "  const std::uint64_t before_us = worker().claim.fetch_add"
                ),
            ),
            (
                "  pending_ = 0;\n  wake_if(worker().parked.load(std::memory_order_seq_cst) != 0);\n",
                "  pending_ = 0;\n  wake_if(sleeps);\n",
            ),
        ),
    ),
    Mutant(
        "woken without a new number to park on",
        _DRIVER,
        (("  worker().park.fetch_add(1, std::memory_order_seq_cst);\n", ""),),
    ),
    # ---- the worker's sleep
    Mutant(
        "number to park on read after the look",
        _WORKER,
        (
            (
                "  const std::uint32_t park = result_->park.load(std::memory_order_seq_cst);\n  result_->parked.store(1,",
                "  result_->parked.store(1,",
            ),
            (
                "    bell_.ring_if_asleep();\n    platform::futex_wait(result_->park, park);\n  }\n",
                (
                    "    bell_.ring_if_asleep();\n    const std::uint32_t park = result_->park.load(std::memory_order_seq_cst);\n"
                    "    platform::futex_wait(result_->park, park);\n  }\n"
                ),
            ),
        ),
    ),
    Mutant(
        "sleep announced after the look",
        _WORKER,
        (
            ("  result_->parked.store(1, std::memory_order_seq_cst);\n", ""),
            (
                "    bell_.ring_if_asleep();\n    platform::futex_wait(result_->park, park);\n  }\n",
                (
                    "    bell_.ring_if_asleep();\n    result_->parked.store(1, std::memory_order_seq_cst);\n"
                    "    platform::futex_wait(result_->park, park);\n  }\n"
                ),
            ),
        ),
    ),
    Mutant(
        "closing not looked at before the sleep",
        _WORKER,
        ((" && task_->closing.load(std::memory_order_seq_cst) == 0) {", ") {"),),
    ),
    Mutant(
        "goes to sleep without a ring",
        _WORKER,
        (
            (
                "    bell_.ring_if_asleep();\n    platform::futex_wait(result_->park, park);\n  }\n",
                "    platform::futex_wait(result_->park, park);\n  }\n",
            ),
        ),
    ),
    Mutant(
        "closing wakes nobody",
        _DRIVER,
        (
            (
                "  task().closing.store(1, std::memory_order_seq_cst);\n  wake_if(worker().parked.load(std::memory_order_seq_cst) != 0);\n",
                "  task().closing.store(1, std::memory_order_seq_cst);\n",
            ),
        ),
    ),
    Mutant(
        "leaves at closing without a second look for work",
        _WORKER_WAY,
        (
            (
                "      if (layout::low(now) == layout::high(now)) return next::closing;\n",
                "      return next::closing;\n",
            ),
        ),
    ),
    # ---- the bell
    Mutant("bell rung once in a life", _BELL, (("  if (++epoch_ == 0) epoch_ = 1;\n", "  epoch_ = 1;\n"),)),
    Mutant(
        "no ring for a result",
        _WORKER_WAY,
        (
            (
                "  if (!layout::before(number_, task_->wake_at.load(std::memory_order_seq_cst))) bell_.ring_if_asleep();\n",
                "",
            ),
        ),
    ),
    Mutant(
        "bell looked at before the result is published",
        _WORKER_WAY,
        (
            ("  result_->result_tail.store(layout::pack(tail_), std::memory_order_seq_cst);\n", ""),
            (
                "bell_.ring_if_asleep();\n}\n\n}  // namespace",
                "bell_.ring_if_asleep();\n  result_->result_tail.store(layout::pack(tail_), std::memory_order_seq_cst);\n}\n\n}  // namespace",
            ),
        ),
    ),
    Mutant(
        "driver forgets that a parked worker rings no more",
        _DRIVER,
        (
            (
                "  return before(wake_at_, published) || worker().parked.load(std::memory_order_seq_cst) != 0;",
                "  return before(wake_at_, published);",
            ),
        ),
    ),
    # ---- blame
    Mutant("begun before it is said", _WORKER_WAY, (("  mark(phase::open);\n", ""),)),
    Mutant("runs before it is said", _WORKER_WAY, (("  mark(phase::run);\n", ""),)),
    Mutant("writes before it is said", _WORKER_WAY, (("  mark(phase::write);\n", ""),)),
    Mutant(
        "time of beginning stamped after the mark",
        _WORKER_WAY,
        (
            (
                "    result_->since.store(platform::now(), std::memory_order_relaxed);\n  }\n  mark(phase::open);\n",
                "    mark(phase::open);\n    result_->since.store(platform::now(), std::memory_order_relaxed);\n  } else {\n    mark(phase::open);\n  }\n",
            ),
        ),
    ),
    Mutant(
        "results counted before the claim",
        _DRIVER,
        (
            (
                "  const ordinal published = high(worker().result_tail.load(std::memory_order_acquire));\n  const std::uint64_t stage",
                "  const std::uint64_t stage",
            ),
            (
                "  const std::uint64_t claim = worker().claim.load(std::memory_order_acquire);\n",
                (
                    "  const ordinal published = high(worker().result_tail.load(std::memory_order_acquire));\n"
                    "  const std::uint64_t claim = worker().claim.load(std::memory_order_acquire);\n"
                ),
            ),
        ),
    ),
    Mutant(
        "stop without the task's number",
        _WORKER,
        (
            (
                "  return asked != 0 && low(asked) == high(result_->stage.load(std::memory_order_relaxed));",
                "  return asked != 0;",
            ),
        ),
    ),
    # ---- room for results
    Mutant(
        "room never given back",
        _DRIVER,
        (
            ("  give_back(std::memory_order_seq_cst);\n", ""),
            ("  if (unreturned_ >= shape_.result_bytes / 8) give_back(std::memory_order_release);\n", ""),
        ),
    ),
    Mutant(
        "waits for room without a ring",
        _WORKER,
        (
            (
                "    bell_.ring_if_asleep();\n    platform::futex_wait(result_->park, park);\n    refresh_head();\n",
                "    platform::futex_wait(result_->park, park);\n    refresh_head();\n",
            ),
        ),
    ),
    Mutant(
        "no second look before waiting for room",
        _WORKER,
        (("  refresh_head();\n  if (!fits(size)) {\n    bell_", "  {\n    bell_"),),
    ),
    Mutant("starts over on what is not read yet", _WORKER, (("  if (size > head_.offset) return false;\n", ""),)),
)

# What the model does not need: weaker orders that break no promise in any plan. On x86 none of them would save an instruction but for
# bell::awake, whose exchange would become a move, beside a system call. They stay as they are, as a reader expects them.
_RANG_IN_VAIN = "a worker that reads an old epoch rings once more, into a pipe that is emptied"
_ONLY_A_NUMBER = "the word says all there is to say: nothing else is read on its account"
_EXCHANGE_FOLLOWS = "the exchange, or the next look at the word, acquires"
_NEXT_PUBLISH = (
    "what is stored after it reaches the worker by the next publish; what was read before it was the driver's own"
)
_SLEEPS_NO_MORE = "says only that nobody need be woken"

UNNEEDED: dict[tuple[str, str, str, str], str] = {
    ("bell::awake", "store sleeping", "seq_cst", "release"): _RANG_IN_VAIN,
    ("bell::awake", "store sleeping", "seq_cst", "relaxed"): _RANG_IN_VAIN,
    (
        "channel::look",
        "load result_tail",
        "acquire",
        "relaxed",
    ): "the claim, read before it, acquires all that it must not be behind",
    ("channel::readable", "load result_tail", "acquire", "relaxed"): "drain, which follows, acquires",
    ("channel::settle_first", "store soft_stop", "release", "relaxed"): _ONLY_A_NUMBER,
    ("channel::soft_stop", "store soft_stop", "release", "relaxed"): _ONLY_A_NUMBER,
    ("channel::take_back", "load claim", "acquire", "relaxed"): _EXCHANGE_FOLLOWS,
    ("channel::take_back", "exchange claim", "seq_cst", "acq_rel"): _NEXT_PUBLISH,
    ("channel::take_back", "exchange claim", "seq_cst", "release"): _NEXT_PUBLISH,
    ("channel::take_back", "exchange claim", "seq_cst", "acquire"): _NEXT_PUBLISH,
    ("channel::take_back", "exchange fails claim", "acquire", "relaxed"): _EXCHANGE_FOLLOWS,
    ("channel_worker::claim", "load claim", "acquire", "relaxed"): _EXCHANGE_FOLLOWS,
    ("channel_worker::claim #2", "load claim", "acquire", "relaxed"): _EXCHANGE_FOLLOWS,
    (
        "channel_worker::claim",
        "exchange claim",
        "seq_cst",
        "acq_rel",
    ): "the look that must not miss a sleeper is in sleep()",
    ("channel_worker::claim", "exchange fails claim", "acquire", "relaxed"): _EXCHANGE_FOLLOWS,
    ("channel_worker::sleep", "store parked", "release", "relaxed"): _SLEEPS_NO_MORE,
    ("channel_worker::soft_stop_due", "load soft_stop", "acquire", "relaxed"): _ONLY_A_NUMBER,
    ("channel_worker::stop_requested", "load soft_stop", "acquire", "relaxed"): _ONLY_A_NUMBER,
    ("channel_worker::wait_for_room", "store parked", "release", "relaxed"): _SLEEPS_NO_MORE,
}
