"""Functions by value: plain ones are written without cloudpickle and arrive as cloudpickle would have them; the rest is its."""

from __future__ import annotations

import functools
import math
import os.path
import pickle
import sys
import threading
import types
import xml.dom
import xml.dom.minidom
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from conftest import Script

from centimane import _by_value, _cloud, _functions, parallel_map

OFFSET = 7
LARGE = list(range(3000))
T = TypeVar("T")


class Here:
    """A class that workers find by its name, as they do this module."""


def by_name(x: int) -> int:
    return x + OFFSET


def closures() -> Iterator[Callable[..., Any]]:
    """Each answers something for one number."""
    k = 3

    def recursive(n: int) -> int:
        return 1 if n < 2 else n * recursive(n - 1)

    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    def with_defaults(x: int, /, y: int = 2, *, z: Any = (1, [2])) -> Any:
        """Documented."""
        return x, y, z, k

    with_defaults.note = {"of": "mine"}  # type: ignore[attr-defined]

    def nested(x: int) -> Any:
        class Inside:
            # A class body finds globals by another instruction.
            offset = OFFSET

            def value(self) -> int:
                return self.offset + k + x

        return [Inside().value() for _ in range(2)], (lambda: OFFSET)()

    def generator(x: int) -> Iterator[int]:
        yield from range(x)

    def counts(x: int) -> int:
        nonlocal k
        k += x
        return k

    def annotated(x: Here, y: T) -> list[T]:
        return [y]

    @functools.wraps(with_defaults)
    def wrapped(x: int) -> Any:
        return with_defaults(x, z=None)

    yield from (recursive, even, odd, with_defaults, nested, counts, wrapped)
    yield lambda x: annotated.__annotations__ and x
    yield lambda x: list(generator(x))
    yield lambda x: (by_name(x), math.floor(x + 0.5), os.path.join("a", "b"))
    yield lambda x: xml.dom.minidom.parseString("<a/>").documentElement.tagName * x
    yield lambda x: sum(LARGE[:x])
    yield lambda x: isinstance(Here(), Here) and (globals()["__name__"], __name__, x)
    yield functools.partial(lambda y, x: (x, y, k), 5)
    # More names than one byte counts: the instruction has a prefix.
    many = {f"name_{i}": i for i in range(700)}
    source = "lambda x: (" + ", ".join(many) + ", absent if x < 0 else x)"
    yield eval(source, {**many, "__name__": "made_up"})


@pytest.mark.parametrize("place", range(15))
def test_arrives_as_cloudpickle_has_it(place: int) -> None:
    makers = (_by_value.dumps, _cloud.dumps)
    made: list[Any] = [pickle.loads(dumps([*closures()][place], share_main=False)) for dumps in makers]
    original = [*closures()][place]
    for x in (0, 1, 2, 5):
        try:
            wanted = repr(original(x))
        except NameError as error:
            pytest.fail(str(error))
        assert repr(made[0](x)) == wanted
    ours, theirs = (getattr(it, "func", it) for it in made)
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__"):
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name)), name
    assert ours.__annotations__ == theirs.__annotations__
    assert ours.__dict__.keys() == theirs.__dict__.keys()
    assert ours.__code__.co_filename == __file__ or place == 14


def test_every_kind_is_in_the_test() -> None:
    assert len([*closures()]) == 15


def test_only_globals_that_are_named_travel() -> None:
    namespace: dict[str, Any] = {"large": bytes(100_000), "__name__": "made_up", "small": 1}
    one, other = (eval(source, namespace) for source in ("lambda x: (x.large, small)", "lambda: large"))
    assert len(_by_value.dumps(one, share_main=False)) < 10_000
    assert len(_by_value.dumps(other, share_main=False)) > 100_000


def test_functions_of_one_namespace_share_one() -> None:
    namespace: dict[str, Any] = {"__name__": "made_up", "n": 1}
    one = eval("lambda: n", namespace)
    other = eval("lambda: exec('global n; n = n + 1')", namespace)
    one, other = pickle.loads(_by_value.dumps((one, other), share_main=False))
    assert one.__globals__ is other.__globals__ is not namespace
    other()
    assert (one(), namespace["n"]) == (2, 1)


def test_a_cell_of_two_closures_is_one() -> None:
    def pair() -> tuple[Callable[[], None], Callable[[], int]]:
        n = 0

        def up() -> None:
            nonlocal n
            n += 1

        return up, lambda: n

    up, now = pickle.loads(_by_value.dumps(pair(), share_main=False))
    up()
    assert now() == 1


def test_an_empty_cell_stays_empty() -> None:
    def outer() -> Callable[[], Any]:
        if OFFSET < 0:
            late = 1
        return lambda: late

    with pytest.raises(NameError):
        pickle.loads(_by_value.dumps(outer(), share_main=False))()


def test_a_module_that_only_its_package_leads_to() -> None:
    made = _by_value.dumps(lambda: xml.dom.minidom, share_main=False)
    assert b"xml.dom.minidom" in made


def _dynamic_module() -> types.ModuleType:
    module = types.ModuleType("of_no_file")
    exec("def f(x): return x + 1", module.__dict__)
    return module


def test_what_is_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    class Local:
        pass

    module = _dynamic_module()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    cell = (lambda: Local).__closure__[0]  # type: ignore[index]
    strange = (lambda: 1).__code__.replace(co_consts=(None, Local()))
    variable = TypeVar("variable")
    variable.__module__ = "__main__"  # what a type variable of a script says of itself; it pickles as its name
    refused: list[object] = [
        Local,
        Local(),
        lambda: Local,
        module,
        module.__dict__["f"],
        cell,
        strange,
        variable,
        lambda: variable,
    ]
    for value in refused:
        with pytest.raises((_by_value.Beyond, pickle.PicklingError, AttributeError)):
            _by_value.dumps(value, share_main=False)


def test_what_is_registered_with_cloudpickle_goes_its_way() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    this = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(this)
    try:
        with pytest.raises(_by_value.Beyond):
            _by_value.dumps(lambda: by_name, share_main=False)
    finally:
        cloudpickle.unregister_pickle_by_value(this)
    assert by_name.__module__.encode() in _by_value.dumps(lambda: by_name, share_main=False)


def test_locks_arrive_fresh_where_they_may() -> None:
    lock = threading.Lock()
    with lock:
        made = pickle.loads(_by_value.dumps(lambda: lock, share_main=False, fresh_locks=True))
    assert not made().locked()
    with pytest.raises(TypeError):
        _by_value.dumps(lambda: lock, share_main=False)


def test_main_functions_share_one_namespace(script: Script) -> None:
    done = script(
        """
        import sys
        from centimane import parallel_map
        counter = 0
        def step():
            global counter
            counter += 1
            return counter
        def work(x):
            return step(), work.__globals__ is step.__globals__ is sys.modules["__main__"].__dict__, x
        print(parallel_map(work, range(3), executor="process", workers=1).values())
        print(counter, "cloudpickle" in sys.modules)
        print(parallel_map(lambda _: "cloudpickle" in sys.modules, [1], executor="process", workers=1).values())
        class Point:
            pass
        def make(_):
            return type(Point()) is Point
        print(parallel_map(make, [1], executor="process", workers=2).values(), "cloudpickle" in sys.modules)
        """
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "[(1, True, 0), (2, True, 1), (3, True, 2)]",
        "0 False",
        "[False]",
        "[True] True",
    ]


def test_a_result_that_is_a_function() -> None:
    made = parallel_map(lambda k: lambda x: x * k + OFFSET, [2, 3], executor="process", workers=2)
    assert [f(10) for f in made] == [27, 37]


def test_source_without_a_file_is_told() -> None:
    import linecache

    text = "def of_a_cell(x):\n    return 1 / x\n"
    linecache.cache["<a cell>"] = (len(text), None, text.splitlines(True), "<a cell>")
    try:
        code = compile(text, "<a cell>", "exec").co_consts[0]
        blob = _by_value.dumps(types.FunctionType(code, {"__name__": "x"}), share_main=False)
        del linecache.cache["<a cell>"]
        pickle.loads(blob)
        assert linecache.getline("<a cell>", 2) == "    return 1 / x\n"
    finally:
        linecache.cache.pop("<a cell>", None)


def test_a_module_is_imported_by_its_name() -> None:
    assert _functions.module("xml.dom.minidom") is xml.dom.minidom


def test_a_cloudpickle_that_only_the_driver_finds(script: Script, tmp_path: Path) -> None:
    """Its process for forking workers starts with other paths; workers are told the driver's."""
    import cloudpickle

    folder = tmp_path / "vendored"
    folder.mkdir()
    (folder / "cloudpickle").symlink_to(Path(cloudpickle.__file__).parent)
    done = script(
        f"""
        import sys
        sys.path.insert(0, {str(folder)!r})
        from centimane import parallel_map
        class Point:
            pass
        def where(_):
            return sys.modules["cloudpickle"].__file__, Point.__module__
        print(set(parallel_map(where, range(4), executor="process", workers=2)))
        """
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str({(str(folder / "cloudpickle" / "__init__.py"), "__main__")})
