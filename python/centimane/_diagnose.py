"""Why something cannot be pickled: the path to the offending part, such as ``f → globals → conn``."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ._errors import PayloadError

_DEEPEST = 12
_MOST_LOOKS = 400


def _refuses(value: object) -> bool:
    from ._pickling import dumps_by_value

    try:
        dumps_by_value(value, share_main=False)
    except (Exception, SystemExit, GeneratorExit):  # whatever a __reduce__ may raise, but no Ctrl-C and no time limit
        return True
    return False


def _global_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a pickle of the value would hold, named as a user would name it."""
    if isinstance(value, functools.partial):
        yield "func", value.func
        yield from ((f"args[{i}]", part) for i, part in enumerate(value.args))
        yield from value.keywords.items()
    elif isinstance(value, types.MethodType):
        yield "__self__", value.__self__
    elif isinstance(value, types.FunctionType):
        for cell_name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            try:
                yield f"closure → {cell_name}", cell.cell_contents
            except ValueError:  # an empty cell
                pass
        for name in sorted(_global_names(value.__code__)):
            if name in value.__globals__:
                yield f"globals → {name}", value.__globals__[name]
        yield from ((f"default {i}", part) for i, part in enumerate(value.__defaults__ or ()))
        yield from (value.__kwdefaults__ or {}).items()
        yield from value.__dict__.items()
    elif isinstance(value, type):
        yield from ((name, part) for name, part in vars(value).items() if not name.startswith("__"))
    elif isinstance(value, dict):
        for key, part in cast("Mapping[Any, Any]", value).items():
            yield f"key {key!r:.40}", key
            yield f"[{key!r:.40}]", part
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{i}]", part) for i, part in enumerate(cast("Iterable[Any]", value)))
    elif not isinstance(value, types.ModuleType):
        yield from getattr(value, "__dict__", {}).items()
        for kind in type(value).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    yield name, getattr(value, name)


def path_to_refused(value: object, name: str) -> str:
    """The way from the value to the innermost part that cannot be pickled. Bounded in depth and in looks."""
    seen = {id(value)}
    path = [name]
    looks = 0
    while len(path) < _DEEPEST:
        for part_name, part in _parts(value):
            looks += 1
            if looks > _MOST_LOOKS:
                return " → ".join(path)
            if id(part) not in seen and _refuses(part):
                seen.add(id(part))
                path.append(part_name)
                value = part
                break
        else:
            break
    return " → ".join(path)


def type_name(value: object) -> str:
    """A type's name as a message shows it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def refused(value: object, cause: BaseException, *, name: str, stage: str) -> PayloadError:
    """The error for a value that cannot be pickled, with the path to what is to blame."""
    shown = getattr(value, "__name__", None) if isinstance(value, (types.FunctionType, type)) else None
    try:
        path = path_to_refused(value, shown or name)
    except Exception:  # a part that cannot even be looked at
        path = shown or name
    advice = (
        "make it inside the function, or in worker_init"
        if stage == "write_args"
        else "return something that can, such as its contents"
    )
    what = f"the {name}, a {type_name(value)}," if shown is None else f"{shown}"
    return PayloadError(
        f"{what} cannot be pickled: {type(cause).__name__}: {cause} (at {path}); {advice}", stage=stage, path=path
    )
