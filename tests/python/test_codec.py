"""What crosses a process border comes out as it went in: type, value and sign."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centimane import _core

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(codec=None))
    | st.binary()
    | st.sampled_from(
        [
            -129,
            -128,
            127,
            128,
            2**63 - 1,
            2**63,
            -(2**63),
            -(2**63) - 1,
            "\ud800",
            "x" * 65536,
            "x" * 65537,
            b"x" * 70000,
        ]
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


@settings(deadline=None)
@given(values)
def test_there_and_back(value: Any) -> None:
    assert same(_core.decode(_core.encode(value)), value)


@settings(deadline=None)
@given(values, st.data())
def test_a_damaged_record_raises_and_nothing_worse(value: Any, data: st.DataObject) -> None:
    record = bytearray(_core.encode(value))
    if record[:1] == b"P":
        return  # what pickle makes of damage is pickle's
    cut = data.draw(st.integers(0, len(record) - 1))
    with pytest.raises(ValueError, match="damaged record"):
        _core.decode(bytes(record[:cut]))
    with pytest.raises(ValueError, match="damaged record"):
        _core.decode(bytes(record) + b"N")


@pytest.mark.parametrize(
    "record", [b"", b"?", b"t\x05", b"s\xff\xff\xff\xff", b"b" + b"\xff" * 8, b"t\x01P", b"t\x01" * 9 + b"N"]
)
def test_lengths_are_not_believed(record: bytes) -> None:
    with pytest.raises((ValueError, EOFError)):
        _core.decode(record)


class Whole(int):
    """A subclass is not what it derives from."""


def test_subclasses_keep_their_type() -> None:
    for value in (Whole(5), True, (Whole(1), 2)):
        back = _core.decode(_core.encode(value))
        assert same(back, value)


def test_the_short_forms_are_short() -> None:
    assert [len(_core.encode(v)) for v in (None, True, 5, 500, 1.5, "abc", b"abc", ())] == [1, 1, 2, 9, 9, 8, 12, 2]


def test_what_pickle_refuses_goes_to_rescue() -> None:
    with pytest.raises((AttributeError, TypeError, ImportError)):
        _core.encode(lambda: 1)
    assert (
        _core.decode(
            _core.encode(
                lambda: 1, lambda value, error: __import__("pickle").dumps((callable(value), str(type(error))))
            )
        )
        != ()
    )
