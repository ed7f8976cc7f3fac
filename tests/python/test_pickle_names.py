"""What of ``__main__`` a pickle names, read off its opcodes: against pickletools, and as the engine uses it."""

from __future__ import annotations

import collections
import datetime
import decimal
import pickle
import pickletools
import random

import pytest
from conftest import Script
from hypothesis import given
from hypothesis import strategies as st

from centimane import _core


def named(names: list[str]) -> bytes:
    """A pickle of a list of globals of __main__, as the C pickler writes them: memoised strings, each module named once."""
    out = bytearray(b"\x80\x05]\x94(")
    memo: dict[str, int] = {}
    count = 1

    def text(s: str) -> None:
        nonlocal count
        if s in memo:
            out.extend(b"h" + bytes([memo[s]]))
        else:
            raw = s.encode()
            out.extend(b"\x8c" + bytes([len(raw)]) + raw + b"\x94")
            memo[s] = count
            count += 1

    for name in names:
        text("__main__")
        text(name)
        out.extend(b"\x93\x94")
        count += 1
    return bytes(out + b"e.")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just("__main__"),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.text())
    ),
)


@given(plain)
def test_values_name_nothing(value: object) -> None:
    assert _core.main_names_in(pickle.dumps(value, 5)) == []
    assert _core.main_names_in(pickle.dumps(value, 4)) == []


@given(st.lists(st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,9}(\.[a-z]{1,5})?", fullmatch=True), max_size=12))
def test_each_global_is_named_by_its_first_component(names: list[str]) -> None:
    data = named(names)
    assert len(list(pickletools.genops(data))) > 2  # it is a pickle
    assert _core.main_names_in(data) == [name.partition(".")[0] for name in names]


def test_library_objects_are_read_through() -> None:
    values = [
        datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        decimal.Decimal("1.5"),
        collections.OrderedDict(a=[1, 2]),
        collections.Counter("hello"),
        {1, 2, 3},
        bytearray(b"x" * 300),
        "x" * 70000,
        b"y" * 70000,
        2**5000,
        random.Random(1),
        range(5),
        slice(1, 2),
        ...,
        ValueError("no"),
    ]
    for value in values:
        assert _core.main_names_in(pickle.dumps(value, 5)) == [], value
    numpy = pytest.importorskip("numpy")
    assert _core.main_names_in(pickle.dumps(numpy.arange(1000.0), 5)) == []


def test_what_it_does_not_know_or_what_is_damaged_is_told() -> None:
    assert _core.main_names_in(pickle.dumps([1.5, "a", ValueError], 0)) is None
    whole = named(["Point", "Point", "Line"])
    assert _core.main_names_in(whole) == ["Point", "Point", "Line"]
    for end in range(len(whole)):
        assert _core.main_names_in(whole[:end]) is None
    assert _core.main_names_in(whole + b".") is None
    assert _core.main_names_in(b"\x80\x05h\x07.") is None


@given(st.binary())
def test_nonsense_is_survived(data: bytes) -> None:
    _core.main_names_in(data)


def test_python_is_asked_once_for_what_workers_know(script: Script) -> None:
    done = script(
        """
        from centimane import _pickling, parallel_map
        asked = []
        met = _pickling.MainNames.met
        _pickling.MainNames.met = lambda self, value: asked.append(1) or met(self, value)
        class Point:
            def __init__(self, x): self.x = x
        class Line:
            def __init__(self, a, b): self.ends = a, b
            class Inner:
                pass
        def kind(value):
            return type(value).__qualname__, type(value) is globals()[type(value).__qualname__.partition(".")[0]]
        items = [Point(i) for i in range(500)] + [Line(Point(1), Point(2)) for _ in range(500)]
        out = parallel_map(kind, items, executor="process", workers=2).values()
        print(set(out) == {("Point", True), ("Line", True)}, len(asked))
        """
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["True", "2"]


def test_a_name_bound_anew_in_the_middle_of_a_run_is_told_again(script: Script) -> None:
    done = script(
        """
        from centimane import parallel_iter
        def make(version):
            class Point:
                def __init__(self, x): self.x = x
                def get(self): return version, self.x
            Point.__qualname__ = "Point"
            return Point
        def items():
            global Point
            for version in range(5):
                Point = make(version)
                for i in range(100):
                    yield Point(i)
        stream = parallel_iter(lambda p: p.get(), items(), executor="process", workers=2, ordered=True, window_size=7)
        print([r.value for r in stream] == [(v, i) for v in range(5) for i in range(100)])
        """
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "True"
