"""Every workload with its title and its targets: those of the design's budgets. The report shows them in this order.

A workload that is not named here is measured and shown all the same, last and without a target.
"""

from dataclasses import dataclass

from harness.records import OURS
from harness.verdicts import Limit, Round, Target, Times, TimesBest


@dataclass(frozen=True)
class Workload:
    """One section of the report. What is measured exactly is told by the workload's own docstring or first comment."""

    title: str
    targets: tuple[Target, ...] = ()
    log: bool = True
    """The plot's scale: by factors, or from 0."""
    lines: bool = False
    """The plot has lines over the cases instead of bars."""


def spread(of: str) -> "Limit":
    """Flat: over all its cases, what an item costs stays within 20 % of a middle."""

    def value(values: Round) -> float:
        costs = [cost for (key, _), cost in values.items() if key == of]
        if not costs:
            raise KeyError(of)
        return max(costs) / min(costs)

    return Limit("flat (± 20 %): dearest ≤ 1.5 × cheapest" + ("" if of == OURS else f" ({of})"), 1.5, value, "×")


def start(values: Round) -> float:
    """The program's time without that of the import, beside the allowed 1.3 interpreters and 10 ms."""
    of = {key: values[key, "program"] for key in (OURS, "import_package", "interpreter")}
    return of[OURS] - of["import_package"] - 1.3 * of["interpreter"]


def own(values: Round) -> float:
    """Our value, where there is one case."""
    for (key, _), value in values.items():
        if key == OURS:
            return value
    raise KeyError(OURS)


TEN_MILLION = Limit("≥ 10 M tasks a second: ≤ 100 ns", 100, own, "ns")
ONE_THREAD = "a plain loop, one thread"
NO_QUEUE = "libfork (does not queue)"

WORKLOADS: dict[str, Workload] = {
    "map_noop": Workload(
        "Map of a no-op, one task an item, processes",
        (Times(100, "pool"), Times(500, "executor"), TimesBest(1)),
    ),
    "map_default": Workload(
        "Map of a no-op, default settings, processes",
        (
            Times(1.2, "pool", "ints"),
            Times(1.2, "pool", "tuples"),
            Times(0.5, "pool", "dicts"),
            Times(0.35, "pool", "instances"),
            *(Times(1, "pool", kind, "centimane_chunks") for kind in ("ints", "tuples", "dicts", "instances")),
        ),
    ),
    "map_threads": Workload("Map of a no-op, one task an item, threads", (Times(50, "executor"), TimesBest(1))),
    "callbacks": Workload(
        "An item with on_result and on_progress, threads",
        (Limit("≤ 2 µs an item", 2, lambda values: values[OURS, "ints"], "µs"),),
    ),
    "policies": Workload(
        "An item with every policy on, threads",
        (
            Limit("≤ 2 µs an item", 2, lambda values: values[OURS, "map"], "µs"),
            TimesBest(1, "map"),
            TimesBest(1, "ordered stream"),
            TimesBest(1, "map, checkpoint"),
        ),
    ),
    "latency": Workload(
        "One item, there and back",
        (
            Limit("asleep: ≤ 300 µs", 300, lambda values: values[OURS, "asleep"], "µs"),
            Times(8, "executor", "asleep"),
            Times(50, "executor", "at once"),
        ),
    ),
    "queues": Workload(
        "Objects through a queue, both sides busy",
        (Times(10, "queue", "ints"), Times(1, "queue", "dicts"), Times(1, "queue", "64 KiB")),
    ),
    "locks": Workload(
        "Locks between processes",
        (
            Times(1, "standard", "Lock, with"),
            Times(1, "standard", "RLock, with"),
            Times(1, "standard", "Semaphore, with"),
            Times(1, "standard", "Semaphore, there and back"),
            Times(1, "standard", "Condition, there and back"),
        ),
    ),
    "futures": Workload(
        "Submitted tasks and their futures, processes",
        (
            Times(100, "executor", "submit, result"),
            Times(20, "executor", "as_completed"),
            Times(20, "executor", "wait"),
            Times(8, "executor", "asyncio, 200 in flight"),
            Times(8, "executor", "asleep"),
        ),
    ),
    "futures_threads": Workload(
        "Submitted tasks and their futures, threads", (Times(10, "executor", "submit, result"),)
    ),
    "event_loop": Workload(
        "An event loop beside a saturated executor",
        (TimesBest(1, "p99", but=("alone",)),),
    ),
    "joblib_small": Workload("joblib: 10,000 small tasks", (TimesBest(1),)),
    "arrays": Workload(
        "A NumPy array of 64 MiB",
        (
            *(Times(25, "pool", way) for way in ("in", "out", "echo")),
            Times(3, "pool", "echo, results kept"),
        ),
    ),
    "array_sizes": Workload("A NumPy array there and back, by size", lines=True),
    "shared_arrays": Workload("A shared array to a worker and back, by size", lines=True),
    "startup": Workload(
        "Start-up: two workers up, two tasks, down",
        (
            Limit("import ≤ 20 ms", 20, lambda v: v["import_package", "program"] - v["interpreter", "program"], "ms"),
            Limit("workers up, tasks, down ≤ 1.3 × `python -c pass` + 10 ms: what is above 1.3 ×", 10, start, "ms"),
        ),
    ),
    "process_start": Workload(
        "A Process started and joined",
        (Limit("≤ 3 ms", 3, own, "ms"), TimesBest(1)),
    ),
    "cpu": Workload(
        "A job that computes, two workers",
        (
            Times(1.95, "sequential"),
            Limit(
                "≥ 0.97 × two bare processes",
                0.97,
                lambda v: v["two_processes", "job"] / v[OURS, "job"],
                "×",
                least=True,
            ),
        ),
        log=False,
    ),
    "straggler": Workload(
        "A straggler among small tasks",
        (
            TimesBest(1, but=("sequential",)),
            Limit(
                "≤ 1.1 × half of the sequential time",
                1.1,
                lambda v: v[OURS, "mix"] / (v["sequential", "mix"] / 2),
                "×",
            ),
        ),
        log=False,
    ),
    "generator": Workload(
        "A generator of many items",
        (
            Limit("memory flat: ≤ 1 byte an item", 1, lambda values: values[OURS, "memory"], "bytes"),
            TimesBest(1, "rate", but=("pool_chunks",)),
        ),
    ),
    "killed": Workload(
        "A worker is killed",
        (
            Limit("successor at work ≤ 20 ms", 20, lambda values: values[OURS, "successor at work"], "ms"),
            Limit("no other task lost", 0, lambda values: values[OURS, "other tasks lost"], "tasks"),
        ),
    ),
    "growth_items": Workload(
        "Growth: processor time an item, by the number of items", (spread(OURS), spread("centimane_stream")), lines=True
    ),
    "growth_workers": Workload("Growth: processor time an item, by the number of workers", (spread(OURS),), lines=True),
    "recycling": Workload("Workers that are replaced"),
    "pool_map": Workload(
        "multiprocessing's Pool and its drop-in",
        (
            Times(1, "pool", "map, ints"),
            Times(1, "pool", "map, dicts"),
            Times(10, "pool", "map, one item a task"),
            Times(3, "pool", "imap"),
            Times(3, "pool", "imap_unordered"),
            Times(1, "pool", "map, workers replaced"),
        ),
    ),
    "idle": Workload(
        "A pool that waits",
        (Limit("0.0 % of a core", 0.05, lambda values: values[OURS, "waiting"], "%"),),
    ),
    # C++: the programs of bench/cpp.
    "thread_detached": Workload("C++: detached tasks on threads", (TimesBest(2, but=(NO_QUEUE,)),)),
    "thread_futures": Workload("C++: futures on threads, all at once", (TimesBest(3, but=("libfork",)),)),
    "thread_future_each": Workload("C++: futures on threads, one by one"),
    "items_warm": Workload(
        "C++: ten million tiny items on threads, warm output", (TimesBest(1 / 1.1, but=(ONE_THREAD,)),)
    ),
    "items_fresh": Workload(
        "C++: ten million tiny items on threads, fresh output", (TimesBest(1 / 1.1, but=(ONE_THREAD,)),)
    ),
    "process_map": Workload("C++: map on processes", (TEN_MILLION,)),
    "process_submit": Workload("C++: tasks on processes, all at once", (TEN_MILLION,)),
    "process_each": Workload("C++: tasks on processes, one by one"),
    "process_asleep": Workload("C++: tasks on processes, workers asleep"),
}
