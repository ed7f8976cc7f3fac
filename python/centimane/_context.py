"""Context variables on their way to worker processes: declared ones go with the function, by where they are found.

A ``ContextVar`` cannot be pickled. One that stands in a module which workers can import arrives as that module's; one of ``__main__``, or
of no module, as a variable of the worker's own, the same for all who name it. Drivers write, workers read.
"""

from __future__ import annotations

import sys
from contextvars import Context, ContextVar, copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_homes: dict[ContextVar[Any], tuple[str, str]] = {}
"""In a driver: where a variable was found. Variables live as long as their modules, so nothing here grows old."""

_variables: dict[tuple[str, str], ContextVar[Any]] = {}
"""In a worker: what stands for the driver's variables that no module of ours has."""


class InContext:
    """A function that is called with variables set as they were in the driver. Each call has a copy: what it sets, no other sees."""

    def __init__(self, function: Callable[..., Any], values: dict[ContextVar[Any], Any]) -> None:
        self._function = function
        self._values = values
        self._context: Context | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._context is None:
            self._context = copy_context()
            for variable, value in self._values.items():
                self._context.run(variable.set, value)
        return self._context.copy().run(self._function, *arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        named = [(*reference(variable), value) for variable, value in self._values.items()]
        return _rebuild, (self._function, named)


def _rebuild(function: Any, named: list[tuple[Callable[..., Any], tuple[Any, ...], Any]]) -> InContext:
    function = getattr(function, "centimane_wrapped", function)
    return InContext(function, {find(*arguments): value for find, arguments, value in named})


def carry(function: Callable[..., Any], context: Iterable[ContextVar[Any]]) -> Callable[..., Any]:
    """The function with the present values of these variables. One that has no value here has none there."""
    here = copy_context()
    values = {variable: here[variable] for variable in context if variable in here}
    return InContext(function, values) if values else function


def _home(variable: ContextVar[Any]) -> tuple[str, str]:
    known = _homes.get(variable)
    if known is not None:
        return known
    from ._by_value import findable

    found = ("", f"{variable.name} {id(variable):x}")
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable and name not in ("__mp_main__",):
                if name != "__main__" and findable(name):
                    _homes[variable] = (name, attribute)
                    return name, attribute
                found = (name, attribute)
    _homes[variable] = found
    return found


def reference(variable: ContextVar[Any]) -> tuple[Callable[..., ContextVar[Any]], tuple[Any, ...]]:
    """How a pickle names a variable: what to call with what. Its default goes along where no module has it."""
    from ._by_value import findable

    module, attribute = _home(variable)
    if module not in ("", "__main__") and findable(module):
        return find, (module, attribute)
    try:
        default: tuple[Any, ...] = (Context().run(variable.get),)
    except LookupError:
        default = ()
    return stand_in, (module, attribute, variable.name, *default)


def find(module: str, attribute: str) -> ContextVar[Any]:
    """A module's variable, the module imported if it is not there."""
    __import__(module)
    variable: ContextVar[Any] = getattr(sys.modules[module], attribute)
    return variable


def stand_in(module: str, attribute: str, name: str, *default: Any) -> ContextVar[Any]:
    """A variable of this process for one that only the driver has."""
    key = (module, attribute)
    made = _variables.get(key)
    if made is None:
        made = _variables[key] = ContextVar(name, default=default[0]) if default else ContextVar(name)
    return made
