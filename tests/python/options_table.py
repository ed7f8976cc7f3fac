"""The options of runs, a row each: the forms that take it, its default, what shows its effect, what a bad value gets.

A parameter of a public function without a row here fails ``test_parameters.py``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import options_effects as effects
from forms import Form
from tasks import make_ready

from centimane import Retry

#: A value, or several options, that a call refuses; the error; what it says.
Bad = tuple[dict[str, Any], type[Exception], str]


@dataclass(frozen=True)
class Row:
    name: str
    default: object
    effect: effects.Effect
    bad: tuple[Bad, ...]
    taken_by: Callable[[Form], bool] = lambda form: True


def on_loop(form: Form) -> bool:
    return form.on_loop


def not_on_loop(form: Form) -> bool:
    return not form.on_loop


def stream(form: Form) -> bool:
    return form.stream


def not_stream(form: Form) -> bool:
    return not form.stream


def counts(name: str, **others: Any) -> tuple[Bad, ...]:
    """What every count refuses."""
    return (
        ({name: 0, **others}, ValueError, f"{name} must be at least 1, not 0"),
        ({name: -5, **others}, ValueError, f"{name} must be at least 1, not -5"),
        ({name: 1.5, **others}, TypeError, f"{name} must be an int, not float"),
        ({name: True, **others}, TypeError, f"{name} must be an int, not bool"),
        ({name: "2", **others}, TypeError, f"{name} must be an int, not str"),
    )


def times(name: str, **others: Any) -> tuple[Bad, ...]:
    """What every time refuses."""
    return (
        ({name: 0, **others}, ValueError, f"{name} must be more than 0 seconds, not 0"),
        ({name: -1, **others}, ValueError, f"{name} must be more than 0 seconds, not -1"),
        ({name: math.nan, **others}, ValueError, f"{name} must be more than 0 seconds, not nan"),
        ({name: "1", **others}, TypeError, f"{name} must be a number of seconds, not str"),
        ({name: True, **others}, TypeError, f"{name} must be a number of seconds, not bool"),
    )


def flags(name: str) -> tuple[Bad, ...]:
    """What every switch refuses."""
    return (
        ({name: "yes"}, TypeError, f"{name} must be True or False, not 'yes'"),
        ({name: None}, TypeError, f"{name} must be True or False, not None"),
        ({name: 1}, TypeError, f"{name} must be True or False, not 1"),
    )


def callbacks(name: str, **others: Any) -> tuple[Bad, ...]:
    """What everything that is called refuses."""
    return (({name: "print", **others}, TypeError, f"{name} must be callable, not str"),)


PROCESS = {"executor": "process"}
CHUNK = "chunksize makes items one piece of work: {} needs each alone"
NO_THREAD = "{} needs executor='process': threads are not made anew"
KEYS = "checkpoint_version and checkpoint_key need checkpoint="
CONTEXT = "context must be a list of ContextVar, such as [var], not "

ROWS = (
    Row("fn", inspect.Parameter.empty, effects.fn, (({"fn": 5}, TypeError, "not int"),)),
    Row(
        "items",
        inspect.Parameter.empty,
        effects.items,
        (
            ({"items": 5}, TypeError, "items must be iterable, not int"),
            ({"items": len}, TypeError, "items must be iterable, not builtin_function_or_method"),
        ),
    ),
    # ---- where it runs
    Row(
        "executor",
        "thread",
        effects.executor,
        (
            ({"executor": "gpu"}, ValueError, "executor must be 'thread', 'process' or 'sequential', not 'gpu'"),
            ({"executor": None}, ValueError, "executor must be 'thread', 'process' or 'sequential', not None"),
        ),
        not_on_loop,
    ),
    Row(
        "executor",
        None,
        effects.executor,
        (
            (
                {"executor": "sequential"},
                ValueError,
                "executor must be 'async', 'thread' or 'process', not 'sequential'",
            ),
        ),
        on_loop,
    ),
    Row(
        "workers",
        None,
        effects.workers,
        (*counts("workers"), ({"workers": 10**9}, ValueError, "workers must be at most 4096, not 1000000000")),
    ),
    Row(
        "concurrency",
        None,
        effects.concurrency,
        (
            *counts("concurrency"),
            ({"concurrency": 2, "workers": 3}, ValueError, "concurrency and workers are two names of one option"),
        ),
        on_loop,
    ),
    Row("sequential", False, effects.sequential, flags("sequential"), not_on_loop),
    Row(
        "start",
        None,
        effects.start,
        (
            ({"start": "magic", **PROCESS}, ValueError, "start must be 'zygote' or 'fork', not 'magic'"),
            ({"start": "fork", "executor": "thread"}, ValueError, NO_THREAD.format("start")),
        ),
    ),
    Row(
        "max_tasks_per_worker",
        None,
        effects.max_tasks_per_worker,
        (
            *counts("max_tasks_per_worker", **PROCESS),
            ({"max_tasks_per_worker": 1, "executor": "thread"}, ValueError, NO_THREAD.format("max_tasks_per_worker")),
        ),
    ),
    Row("worker_init", None, effects.worker_init, callbacks("worker_init", **PROCESS)),
    Row(
        "worker_init_args",
        (),
        effects.worker_init_args,
        (
            ({"worker_init_args": (1,)}, ValueError, "worker_init_args needs worker_init"),
            (
                {"worker_init_args": 5, "worker_init": make_ready, **PROCESS},
                TypeError,
                "worker_init_args must be a tuple of arguments, not int",
            ),
            (
                {"worker_init_args": "ab", "worker_init": make_ready, **PROCESS},
                TypeError,
                "worker_init_args must be a tuple of arguments, not str",
            ),
        ),
    ),
    Row(
        "chunksize",
        None,
        effects.chunksize,
        (
            *counts("chunksize", **PROCESS),
            ({"chunksize": 2, "retry": Retry(), **PROCESS}, ValueError, CHUNK.format("retry")),
            ({"chunksize": 2, "rate_limit": 1, **PROCESS}, ValueError, CHUNK.format("rate_limit")),
            ({"chunksize": 2, "max_errors": 1, **PROCESS}, ValueError, CHUNK.format("max_errors")),
            ({"chunksize": 2, "checkpoint": "a", **PROCESS}, ValueError, CHUNK.format("checkpoint")),
            ({"chunksize": 2, "item_key": str, **PROCESS}, ValueError, CHUNK.format("item_key")),
        ),
    ),
    Row(
        "context",
        (),
        effects.context,
        (
            ({"context": 5}, TypeError, CONTEXT + "int"),
            ({"context": ["VARIABLE"]}, TypeError, CONTEXT + "str"),
            ({"context": effects.VARIABLE}, TypeError, CONTEXT + "ContextVar"),
        ),
    ),
    # ---- how much at once
    Row("window_size", None, effects.window_size, counts("window_size")),
    Row(
        "batch_size",
        None,
        effects.batch_size,
        (
            ({"batch_size": 0}, ValueError, "window_size must be at least 1, not 0"),
            ({"batch_size": 2, "window_size": 3}, ValueError, "window_size and batch_size are two names of one option"),
        ),
    ),
    Row("window_bytes", None, effects.window_bytes, counts("window_bytes")),
    Row("ordered", False, effects.ordered, flags("ordered"), stream),
    # ---- times and policies
    Row("timeout", None, effects.timeout, times("timeout")),
    Row(
        "task_timeout",
        None,
        effects.task_timeout,
        (*times("task_timeout", **PROCESS), *times("task_timeout", executor="thread")),
    ),
    Row(
        "rate_limit",
        None,
        effects.rate_limit,
        (
            (
                {"rate_limit": "fast"},
                TypeError,
                "rate_limit must be a RateLimit, a Limiter or a number a second, not str",
            ),
            (
                {"rate_limit": True},
                TypeError,
                "rate_limit must be a RateLimit, a Limiter or a number a second, not bool",
            ),
            ({"rate_limit": 0}, ValueError, "RateLimit count must be more than 0"),
        ),
    ),
    Row("retry", None, effects.retry, (({"retry": 3}, TypeError, "retry must be a Retry, not int"),)),
    Row("max_errors", None, effects.max_errors, counts("max_errors")),
    Row("stop", None, effects.stop, (({"stop": True}, TypeError, "stop must be a StopToken, not bool"),)),
    Row(
        "on_cancel",
        None,
        effects.on_cancel,
        (
            ({"on_cancel": "wait", **PROCESS}, ValueError, "on_cancel must be 'kill' or 'release', not 'wait'"),
            ({"on_cancel": "kill"}, ValueError, "on_cancel needs executor='process'"),
        ),
        on_loop,
    ),
    # ---- who is told
    Row("on_progress", None, effects.on_progress, callbacks("on_progress")),
    Row("on_result", None, effects.on_result, callbacks("on_result"), not_stream),
    Row("progress", False, effects.progress, flags("progress")),
    Row("insights", False, effects.insights, flags("insights")),
    Row(
        "trace",
        None,
        effects.trace,
        (
            ({"trace": 5}, TypeError, "trace must be a path, not int"),
            ({"trace": ""}, ValueError, "trace must be the path of a file, not ''"),
            ({"trace": "/no/such/folder/run.json"}, OSError, "/no/such/folder"),
        ),
    ),
    Row("on_event", None, effects.on_event, callbacks("on_event")),
    # ---- what is kept
    Row(
        "checkpoint", None, effects.checkpoint, (({"checkpoint": 5}, TypeError, "checkpoint must be a path, not int"),)
    ),
    Row(
        "checkpoint_version",
        None,
        effects.checkpoint_version,
        (
            ({"checkpoint_version": 1}, ValueError, KEYS),
            (
                {"checkpoint_version": 1.5, "checkpoint": "a"},
                TypeError,
                "checkpoint_version must be a str, an int, bytes",
            ),
        ),
    ),
    Row(
        "checkpoint_key",
        None,
        effects.checkpoint_key,
        (*callbacks("checkpoint_key", checkpoint="a"), ({"checkpoint_key": str}, ValueError, KEYS)),
    ),
    Row("item_key", None, effects.item_key, callbacks("item_key")),
)
