"""The parameters of everything public beside runs: a row each, with its default, its effect and what a bad value gets.

A parameter of a public callable without a row here fails ``test_parameters.py``.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parameters_effects import (
    array_dtype,
    array_order,
    array_shape,
    array_source,
    both,
    http_on,
    http_passes_on,
    http_response,
    http_statuses,
    info_path,
    limiter_pause,
    limiter_rate,
    limiter_shared,
    limiter_timeout,
    map_buffersize,
    map_chunksize,
    map_plain,
    map_timeout,
    pool_context,
    pool_initargs,
    pool_initializer,
    pool_max_tasks,
    pool_on_death,
    pool_stop_running,
    pool_timeout,
    pool_workers,
    rate_burst,
    rate_count,
    rate_per,
    retry_attempts,
    retry_backoff,
    retry_if,
    retry_jitter,
    retry_max_delay,
    retry_max_server_wait,
    retry_on,
    retry_wait_from,
    share_object,
    shutdown_cancel,
    shutdown_wait,
    thread_initializer,
    thread_prefix,
    thread_workers,
)

from centimane import PayloadError
from centimane.futures import ProcessPoolExecutor, ThreadPoolExecutor

NO_DEFAULT = inspect.Parameter.empty


#: Values that are refused, each with the error and a part of what it says.
Bad = tuple[tuple[object, type[Exception], str], ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        owner: the public callable, as ``Class`` or ``Class.method`` or ``function``.
        name: of the parameter.
        default: its default.
        effect: shows what it does, given a folder.
        bad: what is refused.
    """

    owner: str
    name: str
    default: object
    effect: Callable[[Path], None]
    bad: Bad


def int_for(name: str) -> Bad:
    return ((1.5, TypeError, f"{name} must be an int, not float"), ("2", TypeError, f"{name} must be an int, not str"))


def number_for(name: str) -> Bad:
    least = f"{name} must be at least 0 and finite, not "
    return (
        ("1", TypeError, f"{name} must be a number, not str"),
        (True, TypeError, f"{name} must be a number, not bool"),
        (-1, ValueError, least + "-1"),
        (math.nan, ValueError, least + "nan"),
        (math.inf, ValueError, least + "inf"),
    )


def seconds_for(name: str) -> Bad:
    return (
        ("1", TypeError, f"{name} must be a number of seconds, not str"),
        (-1, ValueError, f"{name} must be at least 0 seconds, not -1"),
        (math.nan, ValueError, f"{name} must be at least 0 seconds, not nan"),
    )


ATTEMPTS: Bad = (
    *int_for("Retry attempts"),
    (0, ValueError, "Retry attempts must be at least 1, not 0"),
    (10**7, ValueError, "Retry attempts must be at most 1000000, not 10000000"),
)
ON: Bad = (
    (5, TypeError, "Retry on must be exception classes, not int"),
    ((OSError, int), TypeError, "Retry on must name exception classes, not <class 'int'>"),
    ("OSError", TypeError, "Retry on must be exception classes, not str"),
)
JITTER: Bad = ((0.5, TypeError, "Retry jitter must be True or False, not 0.5"),)
WORKERS: Bad = (*int_for("max_workers"), (0, ValueError, "max_workers must be greater than 0"))
BROKEN_INIT: Bad = ((5, TypeError, "initializer must be a callable"),)
#: As in the standard library, a switch is on if its value is true.
BY_TRUTH: Bad = ()


def executor_rows() -> Iterator[Parameter]:
    """What both kinds have."""
    kinds: tuple[Callable[[int], Any], ...] = (ProcessPoolExecutor, ThreadPoolExecutor)
    for place, kind in enumerate(kinds):
        name = kind.__name__
        owner = f"{name}.map"
        yield Parameter(owner, "fn", NO_DEFAULT, both(map_plain)[place], BY_TRUTH)
        yield Parameter(owner, "iterables", NO_DEFAULT, both(map_plain)[place], ((5, TypeError, "int"),))
        yield Parameter(
            owner,
            "timeout",
            None,
            both(map_timeout)[place],
            (("1", TypeError, "timeout must be a number of seconds, not str"),),
        )
        yield Parameter(
            owner,
            "chunksize",
            1,
            both(map_chunksize)[place],
            (*int_for("chunksize"), (0, ValueError, "chunksize must be >= 1")) if place == 0 else BY_TRUTH,
        )
        yield Parameter(
            owner,
            "buffersize",
            None,
            both(map_buffersize)[place],
            (
                ("2", TypeError, "buffersize must be an integer or None"),
                (0, ValueError, "buffersize must be None or > 0"),
            ),
        )
        yield Parameter(f"{name}.shutdown", "wait", True, shutdown_wait(kind), BY_TRUTH)
        yield Parameter(f"{name}.shutdown", "cancel_futures", False, shutdown_cancel(kind), BY_TRUTH)


PARAMETERS = (
    Parameter(
        "RateLimit",
        "count",
        NO_DEFAULT,
        rate_count,
        (
            ("5", TypeError, "RateLimit count must be a number, not str"),
            (0, ValueError, "RateLimit count must be more than 0 and finite, not 0"),
            (math.inf, ValueError, "RateLimit count must be more than 0 and finite, not inf"),
        ),
    ),
    Parameter(
        "RateLimit",
        "per",
        "second",
        rate_per,
        (("day", ValueError, "RateLimit per must be 'second', 'minute' or 'hour', not 'day'"),),
    ),
    Parameter(
        "RateLimit",
        "burst",
        1,
        rate_burst,
        (*int_for("RateLimit burst"), (0, ValueError, "RateLimit burst must be at least 1, not 0")),
    ),
    Parameter(
        "Limiter", "rate_limit", NO_DEFAULT, limiter_rate, (("5", TypeError, "RateLimit count must be a number"),)
    ),
    Parameter(
        "Limiter",
        "shared",
        None,
        limiter_shared,
        (
            (5, TypeError, "shared must be a path, not int"),
            (b"limit", TypeError, "shared must be a path, not bytes"),
            ("", ValueError, "shared must be the path of a file, not ''"),
            ("a\0b", ValueError, "shared must be the path of a file"),
            ("/", ValueError, "is no plain file"),
        ),
    ),
    Parameter("Limiter.wait", "timeout", None, limiter_timeout, seconds_for("timeout")),
    Parameter("Limiter.pause", "seconds", NO_DEFAULT, limiter_pause, seconds_for("seconds")),
    Parameter("Retry", "attempts", 3, retry_attempts, ATTEMPTS),
    Parameter("Retry", "backoff", 1.0, retry_backoff, number_for("Retry backoff")),
    Parameter("Retry", "max_delay", 60.0, retry_max_delay, number_for("Retry max_delay")),
    Parameter("Retry", "jitter", True, retry_jitter, JITTER),
    Parameter("Retry", "on", None, retry_on, ON),
    Parameter("Retry", "retry_if", None, retry_if, ((5, TypeError, "Retry retry_if must be callable, not int"),)),
    Parameter(
        "Retry", "wait_from", None, retry_wait_from, ((5, TypeError, "Retry wait_from must be callable, not int"),)
    ),
    Parameter("Retry", "max_server_wait", 600.0, retry_max_server_wait, number_for("Retry max_server_wait")),
    Parameter("Retry.for_http", "on", NO_DEFAULT, http_on, ON),
    Parameter(
        "Retry.for_http",
        "statuses",
        frozenset({429, 503}),
        http_statuses,
        (
            (429, TypeError, "Retry statuses must be a set of numbers, not int"),
            ({"429"}, TypeError, "Retry statuses must be an int, not str"),
        ),
    ),
    Parameter(
        "Retry.for_http",
        "response",
        None,
        http_response,
        ((5, TypeError, "Retry response must be callable, not int"),),
    ),
    Parameter("Retry.for_http", "attempts", 3, http_passes_on, ATTEMPTS),
    Parameter("Retry.for_http", "backoff", 1.0, http_passes_on, number_for("Retry backoff")),
    Parameter("Retry.for_http", "max_delay", 60.0, http_passes_on, number_for("Retry max_delay")),
    Parameter("Retry.for_http", "jitter", True, http_passes_on, JITTER),
    Parameter("Retry.for_http", "max_server_wait", 600.0, http_passes_on, number_for("Retry max_server_wait")),
    Parameter(
        "checkpoint_info",
        "path",
        NO_DEFAULT,
        info_path,
        ((5, TypeError, "path must be a path, not int"), ("/no/such/file", FileNotFoundError, "/no/such/file")),
    ),
    Parameter(
        "SharedArray",
        "shape",
        NO_DEFAULT,
        array_shape,
        (
            (2.5, TypeError, "shape must be an integer or a sequence of integers, not 2.5"),
            (-1, ValueError, "shape must not be negative"),
        ),
    ),
    Parameter(
        "SharedArray",
        "dtype",
        "float64",
        array_dtype,
        (("no such type", TypeError, "dtype"), (object, TypeError, "holds Python objects")),
    ),
    Parameter("SharedArray", "order", "C", array_order, (("A", ValueError, "order must be 'C' or 'F', not 'A'"),)),
    Parameter(
        "SharedArray.from_array", "array", NO_DEFAULT, array_source, ((object(), TypeError, "holds Python objects"),)
    ),
    Parameter("share", "obj", NO_DEFAULT, share_object, ((sys._getframe(), PayloadError, "object"),)),
    Parameter("ProcessPoolExecutor", "max_workers", None, pool_workers, WORKERS),
    Parameter(
        "ProcessPoolExecutor",
        "mp_context",
        None,
        pool_context,
        (("fork", TypeError, "mp_context must be a context of multiprocessing, not str"),),
    ),
    Parameter("ProcessPoolExecutor", "initializer", None, pool_initializer, BROKEN_INIT),
    Parameter("ProcessPoolExecutor", "initargs", (), pool_initargs, BY_TRUTH),
    Parameter(
        "ProcessPoolExecutor",
        "max_tasks_per_child",
        None,
        pool_max_tasks,
        (
            ("2", TypeError, "max_tasks_per_child must be an integer"),
            (0, ValueError, "max_tasks_per_child must be >= 1"),
        ),
    ),
    Parameter(
        "ProcessPoolExecutor",
        "on_worker_death",
        "fail-task",
        pool_on_death,
        (("ignore", ValueError, "on_worker_death must be 'fail-task' or 'break', not 'ignore'"),),
    ),
    Parameter(
        "ProcessPoolExecutor.with_options",
        "timeout",
        None,
        pool_timeout,
        (
            ("1", TypeError, "timeout must be a number of seconds, not str"),
            (0, ValueError, "timeout must be more than 0 seconds, not 0"),
        ),
    ),
    Parameter(
        "ProcessPoolExecutor.with_options",
        "stop_running",
        False,
        pool_stop_running,
        (("yes", TypeError, "stop_running must be True or False, not 'yes'"),),
    ),
    Parameter("ThreadPoolExecutor", "max_workers", None, thread_workers, WORKERS),
    Parameter(
        "ThreadPoolExecutor",
        "thread_name_prefix",
        "",
        thread_prefix,
        ((5, TypeError, "thread_name_prefix must be a str, not int"),),
    ),
    Parameter("ThreadPoolExecutor", "initializer", None, thread_initializer, BROKEN_INIT),
    Parameter("ThreadPoolExecutor", "initargs", (), thread_initializer, BY_TRUTH),
    *executor_rows(),
)
