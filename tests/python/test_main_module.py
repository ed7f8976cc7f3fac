"""What lives in ``__main__`` works without a guard: files, ``-c``, standard input, notebook cells that redefine things."""

from __future__ import annotations

import pytest
from conftest import Script

BASICS = """
    from centimane import parallel_map
    print("top")
    offset = 10
    class Point:
        def __init__(self, x): self.x = x
        def moved(self): return Point(self.x + offset)
    class Wrong(Exception): pass
    def move(p):
        assert isinstance(p, Point)
        return p.moved()
    def fail(p):
        raise Wrong(p)
    def factorial(n): return 1 if n < 2 else n * factorial(n - 1)
    def maker(k):
        def closure(x): return x + k
        return closure
    out = parallel_map(move, [Point(1), Point(2)], executor="process", workers=2)
    print([type(p) is Point and p.x for p in out])
    error = parallel_map(fail, [Point(3)], executor="process", workers=2).failures()[0][1]
    print(type(error) is Wrong, type(error.args[0]) is Point, error.args[0].x)
    print(parallel_map(factorial, [5], executor="process", workers=2).values())
    print(parallel_map(maker(5), [1], executor="process", workers=2).values())
    print(parallel_map(lambda p: p.x, [Point(7)], executor="process", workers=2).values())
    print(parallel_map(lambda x: Point, [1], executor="process", workers=2)[0] is Point)
    print(parallel_map(Point, [1], executor="process", workers=2)[0].x)
    print(parallel_map(Point(3).moved.__func__, [Point(4)], executor="process", workers=2)[0].x)
"""
EXPECTED = ["top", "[11, 12]", "True True 3", "[120]", "[6]", "[7]", "True", "1", "14"]


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_a_program_without_a_guard(script: Script, how: str) -> None:
    done = script(BASICS, how=how)
    assert done.stderr == ""
    assert done.stdout.splitlines() == EXPECTED
    assert done.returncode == 0


def test_cells_that_redefine(script: Script) -> None:
    done = script(
        """
        import __main__
        cells = [
            "from centimane import parallel_map as pm",
            "class P:\\n    def __init__(s, x): s.x = x\\n    def get(s): return s.x",
            "def f(p): return p.get()",
            "def run(items): return pm(f, items, executor='process', workers=2).values()",
            "old = P(1); print(run([old]))",
            "class P:\\n    def __init__(s, x): s.x = x\\n    def get(s): return -s.x",
            "print(run([P(1), old, P(2)]))",
            "def f(p): return (type(p) is P, p.get())",
            "print(run([P(3), old]))",
            "back = pm(lambda p: p, [old, P(5)], executor='process', workers=2).values()",
            "print(type(back[0]) is type(old), type(back[1]) is P)",
        ]
        for cell in cells:
            exec(compile(cell, "<cell>", "exec"), __main__.__dict__)
        """
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[1]", "[-1, 1, -2]", "[(True, -3), (False, 1)]", "True True"]


def test_a_class_met_in_the_middle_of_a_stream(script: Script) -> None:
    done = script(
        """
        from centimane import parallel_iter
        class A:
            pass
        class B(A):
            n = 2
        def items():
            for i in range(300):
                yield i
            yield from (A() for _ in range(50))
            yield from (B() for _ in range(50))
        print([sum(item.value == name for item in parallel_iter(lambda x: type(x).__name__, items(), executor="process",
               workers=2, window_size=20)) for name in ("int", "A", "B")])
        """
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[300, 50, 50]"


def test_a_generic_program_leaves_no_process(script: Script) -> None:
    done = script(
        """
        import os
        from centimane import parallel_map
        print(*set(parallel_map(lambda _: os.getpid(), range(20), executor="process", workers=2)))
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    for pid in map(int, done.stdout.split()):
        with pytest.raises(ProcessLookupError):
            __import__("os").kill(pid, 0)


def test_what_cannot_travel_is_named(script: Script) -> None:
    done = script(
        """
        import threading
        from centimane import parallel_map, PayloadError
        class Connection:
            def __init__(self): self.local = threading.local()
        connection = Connection()
        def f(x): return connection, x
        try:
            parallel_map(f, [1], executor="process", workers=2)
        except PayloadError as error:
            print(error.stage, "|", error.path)
        r = parallel_map(str, [1, {"deep": [threading.local()]}, 3], executor="process", workers=2)
        print(r.ok_values(), type(r.failures()[0][1]).__name__, r.failures()[0][1].path)
        r = parallel_map(lambda x: {"it": threading.local()}, [1], executor="process", workers=2)
        print(type(r.failures()[0][1]).__name__, r.failures()[0][1].stage, r.failures()[0][1].path)
        """
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "write_args | f → globals → connection → local",
        "['1', '3'] PayloadError item → ['deep'] → [0]",
        "PayloadError write_result result → ['it']",
    ]


def test_locks_that_a_function_names_arrive_fresh(script: Script) -> None:
    done = script(
        """
        import logging, threading
        from centimane import parallel_map
        lock, event, log = threading.Lock(), threading.Event(), logging.getLogger("x")
        lock.acquire()
        def f(x):
            with lock:
                return x, event.is_set(), log.name
        print(parallel_map(f, [1], executor="process", workers=2).values())
        """
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[(1, False, 'x')]"


def test_a_remote_traceback_names_files_and_lines(script: Script) -> None:
    done = script(
        """
        import linecache
        from centimane import parallel_map
        cell = "def of_a_cell(x):\\n    return 1 / x  # the cell's line\\n"
        linecache.cache["<cell 1>"] = (len(cell), None, cell.splitlines(True), "<cell 1>")
        exec(compile(cell, "<cell 1>", "exec"))
        def of_the_file(x):
            return 1 // x  # the file's line
        for function in (of_a_cell, of_the_file):
            print(parallel_map(function, [0], executor="process", workers=1).failures()[0][1].__cause__)
        """
    )
    assert done.stderr == ""
    assert 'File "<cell 1>", line 2, in of_a_cell\n    return 1 / x  # the cell\'s line' in done.stdout
    assert "in of_the_file\n    return 1 // x  # the file's line" in done.stdout
    assert "dynamic-code" not in done.stdout


def test_ctrl_c_is_raised_once(script: Script) -> None:
    for name in ("process", "thread", "sequential"):
        done = script(
            f"""
            import os, signal, threading, time
            from centimane import parallel_map
            def work(x):
                time.sleep(0.01)
                return x
            def interrupt(item):
                if item.index == 5:
                    os.kill(os.getpid(), signal.SIGINT)
            try:
                parallel_map(work, range(100000), executor={name!r}, workers=2, on_result=interrupt)
            except KeyboardInterrupt:
                print("once")
            """
        )
        assert (done.stdout.strip(), done.stderr, done.returncode) == ("once", "", 0), name
