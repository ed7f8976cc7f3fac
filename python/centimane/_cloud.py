"""By value whatever cloudpickle can write, classes above all. Loaded only when something needs it: see ``_by_value``."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# cloudpickle has no types.

from __future__ import annotations

import io
import pickle
import sys
import types
from collections import ChainMap
from collections.abc import Callable
from typing import Any

import cloudpickle

from . import _functions
from ._by_value import (
    FRESH,
    PROTOCOL,
    MainGlobals,
    context_reference,
    findable,
    is_context_variable,
    source_without_file,
)


def _code(
    filename: str, source: list[str] | None, make: Callable[..., types.CodeType], arguments: Any
) -> types.CodeType:
    """Code as it was: with the file it comes from, so that tracebacks show it, and the lines if no file has them."""
    if source is not None:
        _functions.show_source(filename, source)
    return make(*arguments).replace(co_filename=filename)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped base
    """By value what must be. What a function refers to may hold locks: they arrive fresh. In an item or a result they do not travel."""

    def __init__(
        self,
        file: io.BytesIO,
        share_main: bool,
        fresh_locks: bool,
        beside: Callable[[Any], object] | None,
        reducers: Any,
    ) -> None:
        super().__init__(file, protocol=PROTOCOL, buffer_callback=beside)
        if reducers is not None:
            # The class has an attribute of that name; what pickling looks at is the base's own.
            pickle.Pickler.dispatch_table.__set__(self, ChainMap(reducers, self.dispatch_table))  # type: ignore[attr-defined]
        self._share_main = share_main
        self._fresh_locks = fresh_locks
        self._marker = MainGlobals()

    def reducer_override(self, obj: Any) -> Any:
        kind: type = type(obj)
        if self._fresh_locks and kind in FRESH:
            return FRESH[kind], ()
        if is_context_variable(kind):
            return context_reference(obj)
        if kind is types.CodeType:
            # cloudpickle forgets where code comes from.
            make, arguments, *_ = self.dispatch_table[kind](obj)
            return _code, (obj.co_filename, source_without_file(obj.co_filename), make, arguments)
        if (
            isinstance(obj, (types.FunctionType, type))
            and obj.__module__ != "__main__"
            and not findable(obj.__module__)
        ):
            cloudpickle.register_pickle_by_value(sys.modules[obj.__module__])
        reduced: Any = super().reducer_override(obj)
        if (
            self._share_main
            and kind is types.FunctionType
            and isinstance(reduced, tuple)
            and obj.__globals__ is _functions.main_globals()
        ):
            # cloudpickle's arguments of the new function: its code, then the dictionary it will find its globals in.
            make, (code, _, *rest), *more = reduced
            return make, (code, self._marker, *rest), *more
        return reduced


def dumps(
    value: object,
    *,
    share_main: bool,
    fresh_locks: bool = False,
    beside: Callable[[Any], object] | None = None,
    reducers: Any = None,
) -> bytes:
    """A pickle that needs nothing of this process's ``__main__``. Raises whatever pickle raises.

    beside: takes what is in buffers, as pickle's ``buffer_callback``; reducers: a table that comes before copyreg's.
    """
    file = io.BytesIO()
    _Pickler(file, share_main, fresh_locks, beside, reducers).dump(value)
    return file.getvalue()
