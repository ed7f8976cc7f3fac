"""``@parallel``: the function works as before, and has map, starmap and stream with defaults of its own."""

from __future__ import annotations

import pickle
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from conftest import Script

from centimane import Aborted, Retry, parallel


@parallel(workers=2)
def square(x: int) -> int:
    """The square."""
    return x * x


@parallel
def add(a: int, b: int = 1) -> int:
    return a + b


class Service:
    def __init__(self, base: int) -> None:
        self.base = base

    @parallel(workers=2)
    def shifted(self, x: int) -> int:
        return self.base + x

    @staticmethod
    @parallel(workers=2)
    def doubled(x: int) -> int:
        return 2 * x


def test_the_function_works_as_before() -> None:
    assert square(3) == 9
    assert square.__name__ == "square"
    assert square.__doc__ == "The square."
    assert add(1, b=5) == 6
    assert Service(10).shifted(5) == 15
    assert Service.doubled(4) == Service(0).doubled(4) == 8


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_the_three_forms(executor: Any) -> None:
    assert square.map(range(5), executor=executor).values() == [0, 1, 4, 9, 16]
    assert add.starmap([(1, 2), (3, 4)], executor=executor).values() == [3, 7]
    assert sorted(r.value for r in square.stream(range(4), executor=executor)) == [0, 1, 4, 9]
    service = Service(100)
    assert service.shifted.map([1, 2], executor=executor).values() == [101, 102]
    assert sorted(r.value for r in service.shifted.stream([1, 2], executor=executor)) == [101, 102]
    assert Service.doubled.map([1, 2], executor=executor).values() == [2, 4]


def test_what_a_call_names_takes_the_place_of_a_default() -> None:
    told: list[int] = []

    @parallel(workers=1, max_errors=1, timeout=1000, on_result=lambda r: told.append(r.index))
    def picky(x: int) -> int:
        if x < 0:
            raise ValueError(x)
        return x

    cut = picky.map([1, -1, 2, -2])
    assert cut.aborted
    assert isinstance(cut.failures()[-1][1], Aborted)
    assert told[:2] == [0, 1]
    whole = picky.map([1, -1, 2, -2], max_errors=None, on_result=None)
    assert [i for i, _ in whole.failures()] == [1, 3]
    assert [r.index for r in picky.stream([1, -1, 2, -2], ordered=True)] == [0, 1]


def test_retries_of_a_decorator(tmp_path: Path) -> None:
    @parallel(workers=2, executor="process", retry=Retry(3, backoff=0.0))
    def flaky(n: int) -> int:
        marks = len(list(tmp_path.glob(f"{n}.*")))
        (tmp_path / f"{n}.{marks}").touch()
        if marks < 2:
            raise ConnectionError(n)
        return n

    assert flaky.map([1, 2]).values() == [1, 2]


def test_bad_use() -> None:
    with pytest.raises(TypeError, match="stop"):
        parallel(stop=None)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a function"):
        parallel(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a function"):
        parallel(workers=2)(3)  # type: ignore[call-overload]


def test_an_unknown_option_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(TypeError, match=r"@parallel takes no worker: did you mean workers\?"):
        parallel(worker=2)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"parallel_iter takes no orderd: did you mean ordered\?"):
        square.stream([1], orderd=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"parallel_map takes no ordered$"):
        square.map([1], ordered=True)  # type: ignore[call-arg]


def test_two_names_of_one_option() -> None:
    @parallel(workers=2, window_size=3)
    def same(x: int) -> int:
        return x

    assert same.map(iter(range(9)), batch_size=5).values() == list(range(9))


def test_in_an_importable_module_the_name_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "decorated_module.py").write_text(
        textwrap.dedent(
            """
            from centimane import parallel
            calls = []
            @parallel(workers=2, executor="process")
            def depth(n):
                calls.append(n)
                return (n + depth(n - 1) if n else 0)
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import decorated_module  # type: ignore[import-not-found]

    try:
        assert pickle.loads(pickle.dumps(decorated_module.depth)) is decorated_module.depth
        assert len(pickle.dumps(decorated_module.depth)) < 100
        assert decorated_module.depth.map([3, 4]).values() == [6, 10]
    finally:
        del sys.modules["decorated_module"]


def test_in_a_script_without_a_guard(script: Script) -> None:
    done = script(
        """
        from centimane import parallel
        base = 5
        @parallel(workers=2, executor="process")
        def depth(n):
            return base + (n + depth(n - 1) if n else 0)
        class Service:
            def __init__(self, k): self.k = k
            @parallel(workers=2, executor="process")
            def work(self, x): return self.k * x
        print(depth.map([3, 4]).values(), depth(0))
        print(Service(3).work.map([1, 2]).values())
        """
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[26, 35] 5", "[3, 6]"]
