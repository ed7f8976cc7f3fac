"""Where pickles of functions by value are read: a function, its code, its cells and its namespace made anew.

Workers load this before they are forked, so it needs nothing that an interpreter has not loaded by itself. The writing side is
``_by_value``.
"""

from __future__ import annotations

import builtins
import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CellType, CodeType, FunctionType, ModuleType
    from typing import Any
else:
    FunctionType = type(lambda: None)
    CellType = type((lambda it: lambda: it)(0).__closure__[0])


def main_globals() -> dict[str, Any]:
    """The namespace of this process's ``__main__``, which all functions of ``__main__`` share."""
    return sys.modules["__main__"].__dict__


def module(name: str) -> ModuleType:
    """A module by its name, imported if it is not there."""
    __import__(name)
    return sys.modules[name]


def show_source(filename: str, source: list[str]) -> None:
    """Lines that no file has, of a notebook's cell or an interactive input, so that tracebacks show them here as well."""
    import linecache

    if filename not in linecache.cache:
        linecache.cache[filename] = (sum(map(len, source)), None, source, filename)


def make_code(marshalled: bytes, source: list[str] | None) -> CodeType:
    """Code as it was; ``source`` has its file's lines if there is no such file."""
    code: CodeType = marshal.loads(marshalled)
    if source is not None:
        show_source(code.co_filename, source)
    return code


def make_cell() -> CellType:
    """An empty cell of a closure. What it holds comes with the function."""
    return CellType()


def make_function(code: CodeType, namespace: dict[str, Any], closure: tuple[CellType, ...] | None) -> FunctionType:
    """A function that knows nothing yet but its code."""
    namespace.setdefault("__builtins__", builtins)
    return FunctionType(code, namespace, None, None, closure)


def fill_function(function: FunctionType, filling: Any) -> None:
    """Gives a function made above the rest, which may refer to the function itself.

    Args:
        function: it.
        filling: its ``__dict__``; the globals it names; its attributes; ``(place, value)`` for each cell that holds something; the
            submodules it reaches through their packages, which are imported once they are read.
    """
    own, named, attributes, contents, _ = filling
    function.__dict__.update(own)
    function.__globals__.update(named)
    for name, value in attributes.items():
        setattr(function, name, value)
    cells: Any = function.__closure__
    for place, value in contents:
        cells[place].cell_contents = value


def call_pickled(function: bytes) -> None:
    """An initialiser, rebuilt only now that everything it needs is set up."""
    from _pickle import loads

    loads(function)()
