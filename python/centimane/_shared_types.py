"""The element types of shared arrays: by name where NumPy need not be there, else as NumPy's dtypes."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: By NumPy's name: the format of the buffer protocol, the size in bytes.
PLAIN: dict[str, tuple[str, int]] = {
    "bool": ("?", 1),
    "int8": ("b", 1),
    "uint8": ("B", 1),
    "int16": ("h", 2),
    "uint16": ("H", 2),
    "int32": ("i", 4),
    "uint32": ("I", 4),
    "int64": ("l", 8),
    "uint64": ("L", 8),
    "float16": ("e", 2),
    "float32": ("f", 4),
    "float64": ("d", 8),
    "complex64": ("Zf", 8),
    "complex128": ("Zd", 16),
}
_KINDS = {
    "b1": "bool", "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32", "i8": "int64",
    "u8": "uint64", "f2": "float16", "f4": "float32", "f8": "float64", "c8": "complex64", "c16": "complex128",
}  # fmt: skip
_NATIVE = "<" if sys.byteorder == "little" else ">"
#: Other ways to say the same: codes of the modules struct and array, and NumPy's with the byte order.
_NAMES = {
    **{code: name for name, (code, _) in PLAIN.items()},
    **{order + code: name for code, name in _KINDS.items() for order in ("", "=", "|", _NATIVE)},
    "q": "int64", "Q": "uint64", "F": "complex64", "D": "complex128",
}  # fmt: skip
_BUILTIN: dict[object, str] = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


def plain_name(dtype: object) -> str | None:
    """The name of a type that needs no NumPy, or None."""
    if isinstance(dtype, str):
        return dtype if dtype in PLAIN else _NAMES.get(dtype)
    try:
        return _BUILTIN.get(dtype)
    except TypeError:  # not hashable
        return None


def resolve(dtype: object) -> tuple[str | None, int, object]:
    """The buffer's format (None: it has none), the size of an element, and what stands for the type in a pickle.

    Raises:
        TypeError: there is no such type, its elements are Python objects, or it needs NumPy, which is not installed.
    """
    name = plain_name(dtype)
    if name is None:
        try:
            import numpy
        except ImportError:
            raise TypeError(
                f"dtype {dtype!r} needs NumPy, which is not installed; without it there are: {', '.join(PLAIN)}"
            ) from None
        try:
            exact: Any = numpy.dtype(dtype)  # type: ignore[call-overload]
        except TypeError as error:
            raise TypeError(f"dtype: {error}") from None
        if exact.hasobject:
            raise TypeError(
                f"dtype {exact!s} holds Python objects, which cannot be shared in place: use centimane.share(), which sends them once"
            )
        if exact.itemsize == 0:
            raise TypeError(f"dtype {exact!s} has no size: say one, as in 'S10' or 'U10'")
        if not (exact.isnative and exact.name in PLAIN):
            return _format_of(numpy, exact), exact.itemsize, exact
        name = exact.name
    return *PLAIN[name], name


def _format_of(numpy: Any, dtype: Any) -> str | None:
    """As NumPy exports it; it exports no dates."""
    try:
        return memoryview(numpy.empty(0, dtype)).format
    except (ValueError, BufferError, NotImplementedError):
        return None
