"""Runs and the process around them: its forks, its end, its standard streams."""

from __future__ import annotations

import pytest
from conftest import Script


@pytest.mark.parametrize("callback", [False, True], ids=["between_runs", "in_a_callback"])
def test_a_fork_has_threads_of_its_own(script: Script, callback: bool) -> None:
    """Nothing but threads is used here: whatever forks must know of hands must be known without the process side."""
    told = script(
        """
        import os
        from centimane import parallel_map

        def fork(item=None):
            if item is not None and item.index != 3:
                return
            child = os.fork()
            if child == 0:
                os._exit(0 if parallel_map(abs, range(5), workers=2).values() == [0, 1, 2, 3, 4] else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        in_callback = IN_CALLBACK
        print(parallel_map(abs, range(5), workers=2, on_result=fork if in_callback else None).values())
        if not in_callback:
            fork()
        """.replace("IN_CALLBACK", str(callback))
    )
    assert told.returncode == 0, told.stderr
    assert sorted(told.stdout.split("\n")) == ["", "0", "[0, 1, 2, 3, 4]"]


@pytest.mark.parametrize("executor", ["thread", "process", "sequential"])
@pytest.mark.parametrize("where", ["function", "on_result", "items"])
def test_the_interpreter_ends_while_a_daemon_thread_is_in_a_run(script: Script, executor: str, where: str) -> None:
    """Up to 3.13 the interpreter's end unwinds such a thread wherever it asks for the GIL; no frame of ours may be hit."""
    told = script(
        f"""
        import threading
        from centimane import parallel_map

        begun = threading.Event()

        def slow(x):
            begun.set()
            for _ in range(1000):
                pass
            return x

        def items():
            for x in range(300):
                yield slow(x) if "{where}" == "items" else x

        def forever():
            while True:
                parallel_map(
                    slow if "{where}" == "function" else abs,
                    items(),
                    executor="{executor}",
                    workers=2,
                    on_result=slow if "{where}" == "on_result" else None,
                )
                begun.set()

        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        begun.wait()
        print("end")
        """
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "end\n", "")


@pytest.mark.parametrize("tqdm", [True, False], ids=["tqdm", "plain"])
@pytest.mark.parametrize("stderr", ["closed", "none", "no_descriptor", "no_reader", "full"])
def test_a_progress_bar_that_cannot_be_drawn_ends_no_run(script: Script, stderr: str, tqdm: bool) -> None:
    told = script(
        f"""
        import os, sys, time
        if not {tqdm}:
            sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
        if "{stderr}" == "closed":
            sys.stderr.close()
        elif "{stderr}" == "none":
            sys.stderr = None
        elif "{stderr}" == "no_descriptor":
            os.close(2)
        elif "{stderr}" == "no_reader":
            read, write = os.pipe()
            os.close(read)
            sys.stderr = os.fdopen(write, "w")
        else:
            sys.stderr = open("/dev/full", "w")
        from centimane import parallel_iter, parallel_map
        for executor in "thread", "process":
            print(sum(parallel_map(abs, range(100), executor=executor, workers=2, progress=True)))
            print(sum(item.value for item in parallel_iter(abs, range(100), executor=executor, workers=2, progress=True)))
        sys.stdout.flush()
        os._exit(0)  # the interpreter itself ends with an error where standard error cannot be flushed
        """
    )
    assert (told.returncode, told.stdout) == (0, "4950\n" * 4), told.stderr


def test_52_a_group_that_is_killed_as_a_whole_is_told_of_once(script: Script) -> None:
    told = script(
        """
        from centimane import _core, parallel_map

        _core.group_killed_whole = lambda: "/groups/pod"
        for workers in (1, 2):
            print(parallel_map(abs, range(-3, 0), executor="process", workers=workers).values())
        """
    )
    assert told.stdout == "[3, 2, 1]\n" * 2, told.stderr
    assert told.stderr.count("/groups/pod") == 1, told.stderr
    assert "memory.oom.group" in told.stderr


def test_52_who_hears_of_it_may_use_a_pool(script: Script) -> None:
    told = script(
        """
        import logging
        from centimane import _core, parallel_map

        class Handler(logging.Handler):
            def emit(self, record):
                print(parallel_map(abs, [-1], executor="process", workers=1).values())

        logging.getLogger("centimane").addHandler(Handler())
        _core.group_killed_whole = lambda: "/groups/pod"
        print(parallel_map(abs, [-2], executor="process", workers=1).values())
        """
    )
    assert told.stdout == "[1]\n[2]\n", told.stderr
