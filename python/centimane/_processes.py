"""Process pools for runs: kept warm between calls, one a configuration, closed before the interpreter ends."""

from __future__ import annotations

import _thread
import atexit
import itertools
import os
import sys

from . import _core, _nesting, _state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable
    from typing import Any
else:
    import _pickle as pickle

IDLE_SECONDS = 60.0
"""A worker without work leaves after that; its pool stays."""
CLOSE_SECONDS = 3.0
"""What is still running when the interpreter ends may go on for that long."""
MOST_POOLS = 4
UNLIMITED = 2**64 - 1
FOR_EVER = 1e10

_lock = _thread.allocate_lock()
_pools: dict[tuple[int, bytes | None, int, str], tuple[_core.Pool, bytes]] = {}
"""By configuration; the one used last stands last."""
_of_the_parent: list[_core.Pool] = []
_tokens = itertools.count(1)
_begun = False


def _main_description() -> dict[str, Any]:
    """What the workers' ``__main__`` has in common with this one."""
    main = sys.modules["__main__"].__dict__
    return {
        "__name__": "__main__",
        "__file__": main.get("__file__"),
        "__doc__": None,
        "__package__": main.get("__package__"),
        "__spec__": None,
    }


def _interpreter_flags() -> list[str]:
    """The flags this interpreter was started with, so that workers understand the same language."""
    flags = sys.flags
    rare = flags.debug | flags.verbose | flags.bytes_warning | flags.quiet | flags.isolated | flags.ignore_environment
    if rare or flags.dev_mode or sys._xoptions:  # pyright: ignore[reportPrivateUsage]
        import subprocess  # knows all of them, and takes as long to import as an interpreter to start

        return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
    chosen = ["-" + "O" * flags.optimize] if flags.optimize else []
    for flag, option in (
        (flags.dont_write_bytecode, "-B"),
        (flags.no_site, "-S"),
        (flags.no_user_site, "-s"),
        (flags.safe_path, "-P"),
    ):
        if flag:
            chosen.append(option)
    return chosen + ["-W" + option for option in sys.warnoptions]


def _executable() -> str | None:
    """The interpreter to start workers' ancestor with; None where there is none (frozen and embedding programs)."""
    if getattr(sys, "frozen", False):
        return None
    spawn = sys.modules.get("multiprocessing.spawn")
    chosen = spawn.get_executable() if spawn is not None else sys.executable
    return os.fsdecode(chosen) if chosen else None


_HARMLESS = (
    "logging", "warnings", "threading", "random", "json", "re", "datetime", "decimal", "typing", "dataclasses", "pathlib",
    "inspect", "tempfile", "subprocess", "multiprocessing.process", "multiprocessing.util", "concurrent.futures.thread",
)  # fmt: skip
"""Modules that take a worker milliseconds to import, where the driver has them; they start no thread and open nothing."""


def for_all_workers() -> tuple[str, ...]:
    """Modules that this process has and that workers may find loaded."""
    return ("traceback", *(name for name in _HARMLESS if name in sys.modules))


def _command(executable: str, cloud: bool) -> list[bytes]:
    # The package is found where this one is, whatever the paths say; the working directory is not looked at.
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = (
        f"import sys; sys.path[:1 if sys.path[:1] == [''] else 0] = [{home!r}]; "
        "from centimane._zygote import main; "
        f"main(3, {os.getpid()}, {list(map(str, sys.path)) if cloud else None!r}, {for_all_workers()!r})"
    )
    return [os.fsencode(part) for part in [executable, *_interpreter_flags(), "-c", code]]


def _begin() -> None:
    """What comes before the first pool. Under no lock: a handler of the log may want a pool itself."""
    global _begun
    if _begun:
        return
    _begun = True
    atexit.register(close_all)
    group = "" if _nesting.depth else _core.group_killed_whole()
    if group:
        # A worker that takes too much memory would end this process too, and no outcome would tell of it.
        import logging

        logging.getLogger("centimane").warning(
            "when memory runs out the kernel ends every process of %s, this one with its workers (memory.oom.group is 1)",
            group,
        )


def _open(
    workers: int,
    init: bytes | None,
    max_tasks: int,
    state: bytes,
    *,
    fork: bool,
    cloud: bool = False,
    idle_after: float = IDLE_SECONDS,
    authkey: bytes | None = None,
    inherit: bool = False,
) -> _core.Pool:
    """inherit: forked workers keep this process's descriptors and signal handlers."""
    executable = None if fork else _executable()
    if executable is None and not fork:
        import warnings

        warnings.warn(
            'this program has no interpreter to start workers with: they are forked from it (start="fork")',
            RuntimeWarning,
            stacklevel=5,
        )
    forked = executable is None
    set_up = {
        "main": None if forked else _main_description(),
        "state": state,
        "init": init,
        "nesting": _nesting.enter(workers),
        "authkey": authkey,
        "family": _core.family(),
    }
    return _core.Pool(
        workers=workers,
        max_tasks=max_tasks,
        idle_after=idle_after,
        set_up=pickle.dumps(set_up, 5),
        arguments=[] if executable is None else _command(executable, cloud),
        environment=[] if executable is None else [name + b"=" + value for name, value in os.environb.items()],
        inherit=inherit,
    )


def warm_pool(
    workers: int, init: bytes | None, max_tasks: int | None, *, cloud: bool = False
) -> tuple[_core.Pool, bytes]:
    """The pool for this configuration, and the definition of this process's state if the pool has another one, else ``b""``.

    cloud: its workers will need cloudpickle; a new pool's have it from birth.

    Any thread. Cost: microseconds for a pool that is there; a new one's first process starts, nobody waits for it.
    """
    _begin()
    limit = UNLIMITED if max_tasks is None else max_tasks
    key = (workers, init, limit, "zygote")
    state = _state.capture()
    with _lock:
        found = _pools.get(key)
        if found is not None:
            _pools[key] = _pools.pop(key)
            pool, told = found
            return pool, b"" if told == state else b"P" + state
        pool = _open(workers, init, limit, state, fork=False, cloud=cloud)
        _pools[key] = (pool, state)
        dropped = [_pools.pop(next(iter(_pools))) for _ in range(len(_pools) - MOST_POOLS)]
    del dropped  # outside the lock: runs that use them hold them; the others end here
    return pool, b""


def forked_pool(
    workers: int, initializer: Callable[[], object] | None, max_tasks: int | None, function: object
) -> tuple[_core.Pool, bytes]:
    """A pool of copies of this process, for one run, and the pickle by which its workers find ``function`` in what they inherited."""
    from . import _worker

    _begin()
    token = next(_tokens)
    _worker.inherited[token] = function
    init = None
    init_token = next(_tokens)
    if initializer is not None:
        _worker.inherited[init_token] = initializer
        init = pickle.dumps((_call_inherited, (init_token,)), 5)
    limit = UNLIMITED if max_tasks is None else max_tasks
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        pool = _open(workers, init, limit, _state.capture(), fork=True)
    finally:
        del _worker.inherited[token]
        _worker.inherited.pop(init_token, None)
    return pool, pickle.dumps(_Inherited(token), 5)


class _Inherited:
    """A function that is not sent: the worker was born with it."""

    def __init__(self, token: int) -> None:
        self._token = token

    def __reduce__(self) -> tuple[Any, ...]:
        from ._worker import find_inherited

        return find_inherited, (self._token,)


def _call_inherited(token: int) -> None:
    from ._worker import find_inherited

    find_inherited(token)()


def own_pool(
    workers: int,
    initializer: Callable[[], object] | None,
    max_tasks: int | None,
    *,
    fork: bool,
    idle_after: float | None = None,
) -> _core.Pool:
    """A pool that its owner closes. fork: of copies of this process as it is now, else of clean ones. Idle workers leave after
    ``idle_after`` seconds; None: they stay.
    """
    _begin()
    limit = UNLIMITED if max_tasks is None else max_tasks
    idle = FOR_EVER if idle_after is None else idle_after
    init = None
    if not fork:
        if initializer is not None:
            from . import _pickling

            init = _pickling.dump_call(initializer, name="initializer")
        # Proxies of multiprocessing's managers work in tasks if workers know its key.
        process = sys.modules.get("multiprocessing.process")
        authkey = bytes(process.current_process().authkey) if process is not None else None
        return _open(workers, init, limit, _state.capture(), fork=False, idle_after=idle, authkey=authkey)
    from . import _worker

    token = next(_tokens)
    if initializer is not None:
        _worker.inherited[token] = initializer
        init = pickle.dumps((_call_inherited, (token,)), 5)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        # As multiprocessing's own do: its queues in initargs are pipes.
        return _open(workers, init, limit, _state.capture(), fork=True, idle_after=idle, inherit=True)
    finally:
        _worker.inherited.pop(token, None)


def close_all(grace: float = CLOSE_SECONDS) -> None:
    """Ends all warm pools: what runs may go on for ``grace`` seconds, then it is killed. Returns when all workers are gone."""
    with _lock:
        pools = [pool for pool, _ in _pools.values() if pool.usable]
        _pools.clear()
    for pool in pools:
        pool.close(grace)


def _after_fork_in_child() -> None:
    global _lock
    _lock = _thread.allocate_lock()
    # They are the parent's; this process opens its own. They are kept: ending them is not this process's business.
    _of_the_parent.extend(pool for pool, _ in _pools.values())
    _pools.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
