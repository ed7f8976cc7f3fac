"""Functions by value, written without help: the common kind, lambdas, closures and functions of ``__main__`` that name modules,
other functions and data.

cloudpickle does all that and far more, classes above all, but importing it takes as long as starting an interpreter, here and again
in every worker. So plain functions are written here, by the same rules; whatever else would have to go by value raises ``Beyond``,
and the caller has cloudpickle write the whole again. The reading side is ``_functions``.
"""

from __future__ import annotations

import _thread
import io
import marshal
import sys
from opcode import opmap
from types import CellType, CodeType, FunctionType, ModuleType

from . import _functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Iterator
    from typing import Any
else:
    import _pickle as pickle

PROTOCOL = 5

FRESH: dict[type, Any] = {type(_thread.allocate_lock()): _thread.allocate_lock, _thread.RLock: _thread.RLock}
"""Locks, and what makes one: what a function refers to may hold locks, and they arrive fresh."""

_EXTENDED = opmap["EXTENDED_ARG"]
_LOAD_GLOBAL = opmap["LOAD_GLOBAL"]
# A class body inside a function finds globals by LOAD_NAME.
_BY_NAME = {
    opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in opmap
}
_OF_A_MODULE = ("__package__", "__name__", "__path__", "__file__")
_ATTRIBUTES = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__")


def is_context_variable(kind: type) -> bool:
    """Asked without importing contextvars, which most programs have no use for."""
    return kind.__name__ == "ContextVar" and kind is getattr(sys.modules.get("_contextvars"), "ContextVar", None)


def context_reference(variable: Any) -> Any:
    """What a pickle has in place of a ``ContextVar``, which has no pickle of its own."""
    from ._context import reference

    return reference(variable)


class Beyond(Exception):
    """Something that must go by value and is no plain function."""


class MainGlobals:
    """Stands for the ``__main__`` namespace in a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _functions.main_globals, ()


def findable(module_name: str | None) -> bool:
    """Could another process with our paths import that module?"""
    module = sys.modules.get(module_name or "")
    if module is None:
        return True
    return getattr(module, "__spec__", None) is not None or getattr(module, "__file__", None) is not None


def source_without_file(filename: str) -> list[str] | None:
    """The lines that only this process has: of a notebook's cell, an interactive input."""
    linecache = sys.modules.get("linecache")
    entry = linecache.cache.get(filename) if linecache is not None else None
    return entry[2] if entry is not None and len(entry) == 4 and entry[1] is None else None


def _has_name(it: FunctionType | type) -> bool:
    """Is it what its module, which workers can import, has under its name?"""
    if it.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(it.__module__)
    if not findable(it.__module__):
        raise Beyond  # all of that module must go by value
    for part in it.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is it


def _names(code: CodeType) -> Iterator[str]:
    """The globals that code names, the code inside it included. A name may come twice."""
    extended = 0
    raw = code.co_code
    for at in range(0, len(raw), 2):
        operation, argument = raw[at], raw[at + 1] | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation == _LOAD_GLOBAL:
            yield code.co_names[argument >> 1]
        elif operation in _BY_NAME:
            yield code.co_names[argument]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _all_names(code: CodeType) -> set[str]:
    inside = (_all_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inside)


def _submodules(code: CodeType, reached: list[Any]) -> list[ModuleType]:
    """Modules that code reaches through a package, as in ``xml.etree``: importing the package alone does not bring them."""
    packages = [
        it.__name__ + "." for it in reached if isinstance(it, ModuleType) and getattr(it, "__path__", None) is not None
    ]
    if not packages:
        return []
    names = _all_names(code)
    found: list[ModuleType] = []
    for prefix in packages:
        for name, module in list(sys.modules.items()):
            if name.startswith(prefix) and names.issuperset(name[len(prefix) :].split(".")):
                found.append(module)
    return found


class _Pickler(pickle.Pickler):
    def __init__(
        self,
        file: io.BytesIO,
        share_main: bool,
        fresh_locks: bool,
        beside: Callable[[Any], object] | None,
        reducers: Any,
    ) -> None:
        super().__init__(file, PROTOCOL, buffer_callback=beside)
        if reducers is not None:
            self.dispatch_table = reducers
        self._fresh_locks = fresh_locks
        self._namespaces: dict[int, Any] = {}
        if share_main:
            self._namespaces[id(_functions.main_globals())] = MainGlobals()
        self._cells: dict[int, CellType] = {}

    def reducer_override(self, obj: Any) -> Any:
        kind: type = type(obj)  # pyright: ignore[reportUnknownVariableType]
        if kind is FunctionType:
            return NotImplemented if _has_name(obj) else self._function(obj)
        if kind is CodeType:
            return self._code(obj)
        if is_context_variable(kind):
            return context_reference(obj)
        if kind is CellType:
            if id(obj) not in self._cells:
                raise Beyond  # what it holds goes with a function, and here is none
            return _functions.make_cell, ()
        if kind is ModuleType:
            name: str = obj.__name__
            if sys.modules.get(name) is not obj or not (name == "__main__" or findable(name)):
                raise Beyond
            return _functions.module, (name,)
        if self._fresh_locks and kind in FRESH:
            return FRESH[kind], ()
        if isinstance(obj, type):
            if not _has_name(obj):
                raise Beyond
        elif getattr(obj, "__module__", None) == "__main__":
            raise Beyond  # an instance of a class, a type variable, a wrapper that pickles as its name
        return NotImplemented

    def _code(self, code: CodeType) -> Any:
        try:
            marshalled = marshal.dumps(code)
        except ValueError:  # somebody has put other things than constants into it
            raise Beyond from None
        return _functions.make_code, (marshalled, source_without_file(code.co_filename))

    def _function(self, function: FunctionType) -> Any:
        if getattr(function, "__type_params__", ()) or getattr(function, "__annotate__", None) is not None:
            raise Beyond
        code, everything = function.__code__, function.__globals__
        named = {name: everything[name] for name in _names(code) if name in everything and name != "__builtins__"}
        contents: list[tuple[int, Any]] = []
        for place, cell in enumerate(function.__closure__ or ()):
            self._cells[id(cell)] = cell
            try:
                contents.append((place, cell.cell_contents))
            except ValueError:  # an empty cell
                pass
        namespace = self._namespaces.get(id(everything))
        if namespace is None:
            namespace = {name: everything[name] for name in _OF_A_MODULE if name in everything}
            self._namespaces[id(everything)] = namespace
        attributes = {name: getattr(function, name) for name in _ATTRIBUTES}
        submodules = _submodules(code, [*named.values(), *(value for _, value in contents)])
        filling = (function.__dict__, named, attributes, tuple(contents), submodules)
        return (
            _functions.make_function,
            (code, namespace, function.__closure__),
            filling,
            None,
            None,
            _functions.fill_function,
        )


def dumps(
    value: object,
    *,
    share_main: bool,
    fresh_locks: bool = False,
    beside: Callable[[Any], object] | None = None,
    reducers: Any = None,
) -> bytes:
    """A pickle that needs nothing of this process's ``__main__``. beside: takes what is in buffers, as pickle's ``buffer_callback``;
    reducers: a table in place of copyreg's.

    Raises:
        Beyond: something in it must go by value and is no plain function.
        Exception: whatever pickle raises.
    """
    cloud: Any = sys.modules.get("cloudpickle")
    if cloud is not None and cloud.list_registry_pickle_by_value():
        raise Beyond  # what the user registered there goes by value
    file = io.BytesIO()
    _Pickler(file, share_main, fresh_locks, beside, reducers).dump(value)
    return file.getvalue()
