#!/usr/bin/env python3
"""Shows that the channel's stress tests would notice: breaks one rule of the protocol at a time in a copy of the sources and expects
a test to fail.

    tests/cpp/process/mutate_channel.py [--compiler g++] [--seconds 4] [--only NAME] [--tsan]

Each mutant is a replacement of text that must occur exactly once, so that a change of the sources cannot silently disarm it.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLATFORM = ["fault", "fd", "futex", "mapping", "memfd", "signal_hold"]
PROCESS = ["bell", "channel", "channel_worker"]
TESTS = ["channel_threads_test", "channel_deaths_test"]


class Mutant(NamedTuple):
    """One broken rule: in `file`, `old` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "shrink not stored",
        "src/process/channel.cpp",
        "    at(newest_ - 1).end = limit_;\n    describe(newest_ - 1);\n",
        "    at(newest_ - 1).end = limit_;\n",
    ),
    Mutant(
        "newest slot reused",
        "src/process/channel.cpp",
        "  ++done_;\n}",
        "  ++done_;\n  while (oldest_ != newest_ && !before(done_, at(oldest_).end)) ++oldest_;\n}",
    ),
    Mutant(
        "claim after read",
        "src/process/channel_worker.hpp",
        '  number_ = layout::low(now);\n  CENTIMANE_FAULT("worker.after_claim");\n  locate();\n',
        '  CENTIMANE_FAULT("worker.after_claim");\n',
    ),
    Mutant(
        "epoch test dropped: a worker rings once, whatever the epoch",
        "src/process/bell.hpp",
        "if (epoch != 0 && epoch != rung_) ring(epoch);",
        "if (epoch != 0 && rung_ == 0) ring(epoch);",
    ),
    Mutant(
        "driver does not look again after announcing sleep",
        "src/process/channel.cpp",
        "  if (published == done_) return false;\n  return before",
        "  return false;\n  return before",
    ),
    Mutant(
        "worker does not look again before it sleeps",
        "src/process/channel_worker.cpp",
        "if (low(now) == high(now) && task_->closing.load(std::memory_order_seq_cst) == 0) {",
        "static_cast<void>(now);\n  {",
    ),
    Mutant(
        "worker without room is not woken",
        "src/process/channel.cpp",
        "  wake_if(worker().parked.load(std::memory_order_seq_cst) == 2);\n",
        "",
    ),
    Mutant(
        "room given back before the result was read",
        "src/process/channel.cpp",
        "    settle_first();\n    return true;",
        "    settle_first();\n    task().result_head.store(pack(upto_));\n    return true;",
    ),
    Mutant(
        "wake-up forgotten on publish",
        "src/process/channel.cpp",
        "  pending_ = 0;\n  wake_if(worker().parked.load(std::memory_order_seq_cst) != 0);\n",
        "  pending_ = 0;\n",
    ),
    Mutant(
        "task begun before it is claimed for good",
        "src/process/channel.cpp",
        "  if (!now.claimed || at == phase::none || staged - done_ >= held()) return now;",
        "  if (!now.claimed) return now;",
    ),
    Mutant(
        "result exists before its bytes",
        "src/process/channel_worker.hpp",
        '  CENTIMANE_FAULT("worker.half_written");\n',
        "  tail_.number = number_ + 1;\n  tail_.offset += size;\n"
        "  result_->result_tail.store(layout::pack(tail_), std::memory_order_seq_cst);\n  tail_.offset -= size;\n"
        '  CENTIMANE_FAULT("worker.half_written");\n',
    ),
]

# The one mutant that takes more than one replacement: the record is read first, the claim comes after it.
READ_FIRST = (
    "  } while (!result_->claim.compare_exchange_weak(",
    (
        "    number_ = layout::low(now);\n    const auto slot = slot_, offset = offset_;\n    const bool standing = standing_;\n"
        "    for (std::uint32_t n = 0; n < slots_ && standing_ &&\n"
        "         !layout::before(number_, descriptors_[slot_].end.load(std::memory_order_relaxed)); ++n) {\n"
        "      slot_ = (slot_ + 1) & (slots_ - 1);\n"
        "      offset_ = descriptors_[slot_].offset.load(std::memory_order_relaxed);\n    }\n"
        "    if (!standing_) offset_ = descriptors_[slot_].offset.load(std::memory_order_relaxed);\n"
        "    standing_ = true;\n"
        "    std::uint32_t word = 0;\n"
        "    std::memcpy(&word, task_bytes_ + offset_, sizeof word);\n"
        "    header_.length = word & ~layout::block_bit;\n"
        "    header_.definition = descriptors_[slot_].definition.load(std::memory_order_relaxed);\n"
        "    body_ = {task_bytes_ + offset_ + sizeof word, header_.length};\n"
        "    offset_ += layout::task_record(header_.length);\n"
        '    for (int n = 0; n < 2000; ++n) asm volatile("");\n'  # widens a window of nanoseconds
        "    if (result_->claim.compare_exchange_strong(now, layout::pair(layout::high(now), layout::low(now) + 1))) break;\n"
        "    slot_ = slot; offset_ = offset; standing_ = standing;\n"
        "  } while (true || !result_->claim.compare_exchange_weak("
    ),
)


def build(tree: pathlib.Path, test: str, compiler: str, tsan: bool) -> pathlib.Path:
    """Compiles one test over the copied sources, file by file, so that ccache spares what the mutant leaves alone."""
    out = tree / test
    flags = ["-std=c++20", "-O1", "-DCENTIMANE_FAULTS=1", "-Isrc", "-Iinclude", "-Itests"] + [
        "-fsanitize=thread"
    ] * tsan
    cache = ["ccache"] if shutil.which("ccache") else []
    sources = [f"src/platform/{n}.cpp" for n in PLATFORM] + [f"src/process/{n}.cpp" for n in PROCESS]
    objects = []
    for source in [*sources, f"tests/cpp/process/{test}.cpp"]:
        objects.append(source + ".o")
        subprocess.run([*cache, compiler, *flags, "-c", source, "-o", objects[-1]], cwd=tree, check=True)
    subprocess.run([compiler, *flags, *objects, "-o", str(out), "-lgtest", "-lpthread"], cwd=tree, check=True)
    return out


def verdict(program: pathlib.Path, seconds: float, seed: int, tsan: bool) -> str:
    """Runs the program; answers what went wrong, or an empty string."""
    command = [str(program), f"--seconds={seconds}", f"--seed={seed}", "--watchdog=6", "--gtest_break_on_failure=0"]
    if tsan:
        command = ["setarch", "-R", *command]  # it needs the address space as it knows it
    try:
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "did not end"
    if ran.returncode == 0:
        return ""
    lines = [ln.strip() for ln in (ran.stdout + ran.stderr).splitlines()]
    told = [ln for ln in lines if "HANG" in ln or "WARNING: ThreadSanitizer" in ln or "Failure" in ln]
    return told[0] if told else f"exit status {ran.returncode}"


def main() -> int:
    """Breaks, builds, runs, tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--tsan", action="store_true")
    asked = parser.parse_args()
    unnoticed = []
    for mutant in [None, *MUTANTS]:
        name = mutant.name if mutant else "unchanged"
        if asked.only not in name:
            continue
        with tempfile.TemporaryDirectory() as where:
            tree = pathlib.Path(where)
            for part in ("src", "include", "tests/cpp/process"):
                shutil.copytree(ROOT / part, tree / part)
            shutil.copy(ROOT / "tests" / "leak_check.hpp", tree / "tests")
            if mutant:
                path = tree / mutant.file
                text = path.read_text()
                pairs = [(mutant.old, mutant.new)]
                if mutant.name == "claim after read":
                    pairs.append(READ_FIRST)
                for old, new in pairs:
                    if text.count(old) != 1:
                        print(f"{name}: its text occurs {text.count(old)} times in {mutant.file}")
                        return 2
                    text = text.replace(old, new)
                path.write_text(text)
            told = ""
            for test in TESTS:  # the first that notices is enough
                told = verdict(build(tree, test, asked.compiler, asked.tsan), asked.seconds, asked.seed, asked.tsan)
                if told:
                    print(f"{name}: noticed by {test}: {told}", flush=True)
                    break
            if not told:
                print(f"{name}: not noticed" if mutant else "unchanged: passes", flush=True)
            if bool(told) != bool(mutant):
                unnoticed.append(name)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
