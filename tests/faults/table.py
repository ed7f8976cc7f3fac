"""The faults that are told by a plan and the outcome it promises: one row a fault, for both faces.

The numbers are those of the fault catalogue. A row's ``tasks`` stand among squares; every square must come back, the run must
complete, and the run after it must be untouched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BOTH = ("python", "cpp")
PYTHON = ("python",)


@dataclass(frozen=True)
class Fault:
    number: int
    name: str
    deed: str
    argument: Any = 0
    #: what the outcome of the deed must hold; None: it succeeds with the square, or as ``value`` says
    promised: dict[str, Any] | None = None
    value: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    faces: tuple[str, ...] = BOTH
    #: text that the error's message or stack must hold, by face
    says: dict[str, str] = field(default_factory=dict)
    #: what the deed may cost besides itself: the outcome of what ran beside it at that moment
    beside: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.number:02}_{self.name}"


def died(**more: Any) -> dict[str, Any]:
    return {"error": "WorkerDied", "stage": "run"} | more


#: Squares run beside what hangs, and a busy computer may be slow about one.
TIMEOUT = {"task_timeout": 1.0}

FAULTS = (
    Fault(4, "exits_while_reading_arguments", "argument_dies", promised=died(stage="read_args", exit_code=3)),
    Fault(
        5, "arguments_raise_when_rebuilt", "argument_raises", promised={"error": "PayloadError", "stage": "read_args"}
    ),
    Fault(6, "sigkill_in_user_code", "sigkill", promised=died(signal=9)),
    Fault(6, "sigsegv_in_user_code", "sigsegv", promised=died(signal=11)),
    Fault(6, "abort_in_user_code", "sigabrt", promised=died(signal=6)),
    Fault(6, "invalid_access_in_user_code", "crash", promised=died(signal=11), says={"python": "string_at"}),
    Fault(6, "stack_overflow_in_user_code", "overflow", promised=died(signal=11)),
    Fault(7, "exit_0", "exit", 0, promised=died(exit_code=0)),
    Fault(7, "exit_9", "exit", 9, promised=died(exit_code=9)),
    Fault(8, "system_exit", "sysexit", 3, promised={"error": "SystemExit"}, faces=PYTHON),
    Fault(8, "keyboard_interrupt_raised", "raise_base", promised={"error": "KeyboardInterrupt"}, faces=PYTHON),
    Fault(
        9,
        "result_cannot_be_pickled",
        "unpicklable_result",
        promised={"error": "PayloadError", "stage": "write_result"},
        faces=PYTHON,
    ),
    Fault(
        9,
        "dies_while_writing_the_result",
        "result_dies",
        promised=died(stage="write_result", exit_code=4),
        faces=PYTHON,
    ),
    Fault(16, "kills_the_zygote", "kill_zygote", promised=died(stage="zygote"), beside=died(stage="zygote")),
    Fault(27, "never_returns", "hang", promised={"error": "TaskTimeout"}, options=TIMEOUT),
    Fault(27, "never_returns_and_computes", "hang_busy", promised={"error": "TaskTimeout"}, options=TIMEOUT),
    Fault(
        27,
        "never_returns_holding_the_gil",
        "hang_in_c",
        promised={"error": "TaskTimeout"},
        options=TIMEOUT,
        faces=PYTHON,
        says={"python": "scenario"},
    ),
    Fault(28, "worker_stops_itself", "sigstop", promised={"error": "TaskTimeout"}, options=TIMEOUT),
    Fault(29, "ignores_sigterm", "ignore_and_hang", promised={"error": "TaskTimeout"}, options=TIMEOUT),
    Fault(45, "task_forks_and_both_return", "fork_return", 7),
    Fault(46, "task_leaves_a_child", "leave_child", 7),
    Fault(46, "task_leaves_a_daemon_and_is_contained", "leave_daemon", 7, options={"contained": True}),
    Fault(48, "nested_map", "nested", 10, value=45),
    Fault(48, "nested_deep", "deeper", 4, value=4),
    Fault(48, "nested_too_deep", "deeper", 9, promised={"error": "NestingError"}),
    Fault(55, "cpu_limit", "limit_cpu", promised=died(), says={"python": "CPU", "cpp": "CPU"}),
    Fault(55, "file_size_limit", "limit_file", promised=died(), says={"python": "FSIZE", "cpp": "FSIZE"}),
    Fault(55, "memory_limit", "limit_memory", promised={}),
    Fault(
        57,
        "argument_cannot_be_pickled",
        "bad_argument",
        promised={"error": "PayloadError", "stage": "write_args"},
        faces=PYTHON,
        says={"python": "connection"},
    ),
    Fault(
        58,
        "exception_cannot_be_pickled",
        "raise_unpicklable",
        promised={"error": "RemoteError"},
        says={"python": "Unpicklable"},
    ),
    Fault(
        59,
        "result_raises_when_rebuilt",
        "result_raises_at_home",
        promised={"error": "PayloadError", "stage": "read_result"},
    ),
    Fault(60, "large_result", "large", 64 << 20, value=f"str of {64 << 20}"),
    Fault(60, "large_argument_and_result", "echo", 64 << 20, value=f"str of {64 << 20}"),
    Fault(62, "very_deep_result", "deep", promised={"error": "PayloadError", "stage": "write_result"}, faces=PYTHON),
    Fault(73, "closes_all_descriptors", "close_all", 7),
    Fault(73, "overwrites_all_descriptors", "dup_over", 7),
    Fault(73, "execs_another_program", "exec", promised=died()),
    Fault(74, "closes_standard_descriptors", "close_standard", 7),
    Fault(75, "prints_a_lot", "print", 20_000),
    Fault(76, "changes_process_state", "change_state", 7),
    Fault(76, "leaves_a_thread", "leave_thread", 7),
)
