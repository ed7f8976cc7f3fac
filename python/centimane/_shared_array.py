"""Arrays in memory that processes share, and ``share``, which puts an object there."""

from __future__ import annotations

import operator
import sys

from . import _core, _shared_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, SupportsIndex, cast
else:

    def cast(_kind, value):
        """``typing.cast``, without the import."""
        return value


def _dimensions(shape: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    try:
        return (operator.index(shape),)  # type: ignore[arg-type]
    except TypeError:
        pass
    try:
        made = tuple(operator.index(n) for n in shape)  # type: ignore[union-attr]
    except TypeError:
        raise TypeError(f"shape must be an integer or a sequence of integers, not {shape!r}") from None
    return made


def _numpy_if_installed() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _in_fortrans_order(order: str) -> bool:
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    return order == "F"


class SharedArray(_core.SharedBlock):
    """An array in memory that processes share: what one writes the others see, and nothing is copied on its way.

    ``array`` is a NumPy array that looks into it (without NumPy, a memoryview); indexing and ``len`` go there too. It is a buffer itself, for
    whatever takes buffers: ``memoryview``, ``pyarrow.py_buffer``, ``numpy.asarray``, ``torch.from_dlpack``.

    It pickles as a handle of some hundred bytes: as item, argument, result, inside other objects and closures, through every pool of this
    package, and through queues and pools of the standard library. Every process that has it may write to it; keep tasks to parts of their
    own, or use a lock. The memory has no name. It is freed when the last process that has it lets go of it or ends, however it ends; so
    nothing needs closing, and nothing is left behind.

    A pickle can be read once for sure, and as often as is wanted while the process that made it keeps the array. A pickle that is kept in a
    file is of no use later.

    Args:
        shape: the length of each dimension, or one integer.
        dtype: of the elements: a NumPy dtype or its name. "bool", "int8" … "uint64", "float16" … "float64", "complex64" and "complex128" work
            without NumPy. No type that holds Python objects.
        order: "C" (the last dimension is contiguous) or "F" (the first is).

    Raises:
        TypeError, ValueError: shape, dtype or order cannot be.
        ResourceLimit: there is not that much memory.

    Elements are zero. Cost: some 20 µs, and pages as they are touched; a descriptor in each process that has it. Thread safety: the handle's,
    any thread; the elements', that of the memory they are.
    """

    __slots__ = ("__weakref__",)

    def __new__(
        cls, shape: SupportsIndex | Sequence[SupportsIndex], dtype: object = "float64", *, order: str = "C"
    ) -> SharedArray:
        return super().__new__(cls, None, _dimensions(shape), *_arranged(dtype, order))

    @classmethod
    def from_array(cls, array: object) -> SharedArray:
        """A copy of an array in shared memory: a NumPy array, whatever exports a buffer, or what ``numpy.asarray`` takes.

        Raises:
            TypeError: its elements are Python objects, or it is no array.
            ResourceLimit: there is not that much memory.

        Cost: one copy at memory speed, by two processors if it is large. An array in Fortran's order stays so.
        """
        if isinstance(array, SharedArray):
            made = cls(array.shape, array._token, order="F" if array._fortran else "C")
            made._put(0, array)
            return made
        numpy: Any = sys.modules.get("numpy")
        if numpy is None or not isinstance(array, numpy.ndarray):
            view = _plain_view(array)
            if view is not None:
                return cls._of_view(view)
            numpy = _numpy_if_installed()
            if numpy is None:
                raise TypeError(
                    f"array must export a buffer of numbers, not be {type(array).__name__}; NumPy, which could make one of it, is not installed"
                )
        return cls._of_numpy(numpy, numpy.asarray(array))

    @classmethod
    def _of_view(cls, view: memoryview) -> SharedArray:
        fortran = view.f_contiguous and not view.c_contiguous
        made = cls(view.shape or (), view.format, order="F" if fortran else "C")
        if view.nbytes:
            # What is not contiguous is gathered first; Fortran's order is kept.
            made._put(0, view if view.c_contiguous else view.tobytes(order="A"))
        return made

    @classmethod
    def _of_numpy(cls, numpy: Any, array: Any) -> SharedArray:
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        made = cls(array.shape, array.dtype, order="F" if fortran else "C")
        if array.nbytes == 0:
            return made
        if array.flags.contiguous or array.flags.f_contiguous:
            made._put(0, array.ravel(order="K").view("u1"))
        else:
            numpy.copyto(made.array, array)
        return made

    @property
    def array(self) -> Any:
        """A NumPy array that looks into the memory and keeps it; without NumPy, a memoryview. Made anew each time: about a microsecond."""
        numpy = _numpy_if_installed()
        if numpy is None:
            return memoryview(self)
        return numpy.ndarray(self.shape, self._token, self, order="F" if self._fortran else "C")

    @property
    def dtype(self) -> Any:
        """NumPy's dtype of the elements; without NumPy, its name."""
        numpy = _numpy_if_installed()
        return self._token if numpy is None else numpy.dtype(self._token)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.nbytes // self.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.array
        if dtype is not None and dtype != array.dtype:
            if copy is False:
                raise ValueError(f"an array of {array.dtype} is no array of {dtype} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        return self._numpy("DLPack").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._numpy("DLPack").__dlpack_device__()
        return device

    def _numpy(self, what: str) -> Any:
        array = self.array
        if isinstance(array, memoryview):
            raise BufferError(f"{what} needs NumPy, which is not installed")
        return array

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without dimensions has no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array)

    def __repr__(self) -> str:
        return f"SharedArray(shape={self.shape}, dtype={str(self._token)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self._hand_out(), self.shape, self._token, "F" if self._fortran else "C")

    def __copy__(self) -> SharedArray:
        return self  # another handle of the same memory would be no different

    def __deepcopy__(self, _memo: object) -> SharedArray:
        return type(self).from_array(self)


def _arranged(dtype: object, order: str) -> tuple[str | None, int, bool, object]:
    """What the compiled half is told of the elements."""
    form, size, token = _shared_types.resolve(dtype)
    return form, size, _in_fortrans_order(order), token


def _open(handle: bytes, shape: tuple[int, ...], dtype: object, order: str) -> SharedArray:
    """What a pickle is read by.

    Raises:
        OwnerDied: nobody has the memory any more.
    """
    return _core.SharedBlock.__new__(SharedArray, handle, shape, *_arranged(dtype, order))


def _plain_view(array: object) -> memoryview | None:
    """A memoryview of elements that need no NumPy; else None."""
    try:
        view = memoryview(array)  # type: ignore[arg-type]
    except TypeError:
        return None
    return view if _shared_types.plain_name(view.format) else None


def share(obj: Any) -> Any:
    """Puts an object into memory that processes share, in one copy, and answers what to send in its place.

    Args:
        obj: an array (of NumPy, ``array.array``, a memoryview): the answer is a ``SharedArray`` with its elements, which every process may
            write to. Anything else that can be pickled (a table of pandas, polars or Arrow, a model, a dictionary): the answer is a
            ``Shared``, whose ``get()`` is the object, to be read only. A ``SharedArray`` or ``Shared`` is answered as it is.

    Raises:
        PayloadError: it cannot be pickled.
        ResourceLimit: there is not that much memory.
    """
    if isinstance(obj, SharedArray):
        return obj
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and type(obj) is numpy.ndarray:
        if not obj.dtype.hasobject:
            return SharedArray.from_array(obj)
    elif isinstance(obj, memoryview) or type(obj).__module__ == "array":
        return SharedArray.from_array(cast("object", obj))
    from ._shared import Shared, put

    return cast("object", obj) if isinstance(obj, Shared) else put(obj)
