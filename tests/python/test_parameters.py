"""Every parameter of the public face has a row in a table: its default, its effect, and what a bad value gets."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forms import FORMS, Form
from options_table import ROWS, Row
from parameters_table import BY_TRUTH, PARAMETERS, Parameter

import centimane
from centimane import async_parallel, futures, parallel


def rows_of(form: Form) -> dict[str, Row]:
    return {row.name: row for row in ROWS if row.taken_by(form)}


def never() -> Iterator[int]:
    yield pytest.fail("work has started")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_parameters_and_defaults_of_runs(form: Form) -> None:
    parameters = inspect.signature(form.target).parameters
    rows = rows_of(form)
    assert parameters.keys() == rows.keys(), "a parameter without a row in options_table.py, or a row without one"
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        name: row.default for name, row in rows.items()
    }
    kinds = {parameter.kind for name, parameter in parameters.items() if name not in ("fn", "items")}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_an_option_does(row: Row, tmp_path: Path) -> None:
    for form in FORMS:
        if not row.taken_by(form):
            continue
        folder = tmp_path / form.name
        folder.mkdir()
        try:
            row.effect(form, folder)
        except BaseException as error:
            error.add_note(f"in {form.name}")
            raise


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_bad_values_are_refused_at_the_call(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for row in rows_of(form).values():
        assert row.bad, f"{row.name}: what is a bad value?"
        for options, error, text in row.bad:
            given: dict[str, Any] = {"fn": int, "items": never(), **options}
            with pytest.raises(error, match=re.escape(text)) as refused:
                form(given.pop("fn"), given.pop("items"), **given)
            assert row.name in str(refused.value) or row.name in ("fn", "trace", "batch_size", "rate_limit")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_is_no_option_is_named(form: Form) -> None:
    with pytest.raises(TypeError, match="worker_count"):
        form(int, never(), worker_count=2)


def test_decorators_take_what_their_functions_take_but_stop() -> None:
    for decorate, form in ((parallel, FORMS[0]), (async_parallel, FORMS[4])):
        for name, row in rows_of(form).items():
            if name not in ("fn", "items", "stop"):
                given: Any = {name: row.default}
                assert callable(decorate(**given))
        with pytest.raises(TypeError, match="takes no stop"):
            decorate(stop=None)  # type: ignore[call-overload]


def test_keyword_types_are_those_of_the_signatures() -> None:
    """The TypedDicts of ``**options`` and the public signatures name the same options and the same types."""
    source = Path(centimane.__file__).with_name("_options.py").read_text()
    classes = {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}

    def fields(name: str) -> dict[str, str]:
        node = classes[name]
        inherited = [fields(base.id) for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
        own = {
            field.target.id: ast.unparse(field.annotation)
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        }
        return {name: text for one in (*inherited, own) for name, text in one.items()}

    for name, form, apart in (
        ("MapOptions", FORMS[0], ()),
        ("MapOptions", FORMS[1], ()),
        ("StreamOptions", FORMS[2], ()),
        ("AsyncMapOptions", FORMS[4], ("executor",)),  # the function's type depends on it: overloads
        ("AsyncMapOptions", FORMS[5], ("executor",)),
        ("AsyncStreamOptions", FORMS[6], ("executor",)),
    ):
        written = {
            parameter.name: re.sub(r"\b[TR]\b", "Any", parameter.annotation)
            for parameter in inspect.signature(form.target).parameters.values()
            if parameter.name not in ("fn", "items", *apart)
        }
        assert written == fields(name)


# ---- everything public beside runs

#: Only the engine makes them: what a run answers.
ANSWERS = {
    "AsyncParallelIterator",
    "CheckpointInfo",
    "Insights",
    "ItemResult",
    "ParallelIterator",
    "ParallelResult",
    "RunStatus",
    "Shared",
    "SlowItem",
    "WorkerInsights",
}
#: Public for the engine, or for the language, not for users.
CALLED_BY_OTHERS = {"Retry.judge", "AsyncParallelIterator.asend", "AsyncParallelIterator.athrow"}
RUNS = {
    "async_parallel",
    "async_parallel_iter",
    "async_parallel_map",
    "async_parallel_starmap",
    "parallel",
    "parallel_iter",
    "parallel_map",
    "parallel_starmap",
}


def public_callables() -> Iterator[tuple[str, Any]]:
    for module in (centimane, futures):
        for name in module.__all__:
            found: Any = getattr(module, name)
            if name in RUNS or not callable(found) or not found.__module__.startswith("centimane"):
                continue
            if isinstance(found, type) and issubclass(found, BaseException):
                continue
            if name not in ANSWERS and name != "Future":
                yield name, found
            methods = vars(found) if isinstance(found, type) else {}
            for method, value in methods.items():
                public = not method.startswith("_") and isinstance(value, (types.FunctionType, classmethod))
                if public and f"{name}.{method}" not in CALLED_BY_OTHERS:
                    yield f"{name}.{method}", getattr(found, method)


def test_every_parameter_has_a_row() -> None:
    there: dict[tuple[str, str], object] = {}
    for owner, function in public_callables():
        for name, parameter in inspect.signature(function).parameters.items():
            if name != "self":
                there[owner, name] = parameter.default
    assert there == {(row.owner, row.name): row.default for row in PARAMETERS}


@pytest.mark.parametrize("effect", dict.fromkeys(row.effect for row in PARAMETERS), ids=lambda effect: effect.__name__)
def test_what_a_parameter_does(effect: Callable[[Path], None], tmp_path: Path) -> None:
    effect(tmp_path)


def refuses(row: Parameter, value: object) -> Any:
    """Gives a bad value to a parameter's owner, everything else as little as will do."""
    owner, _, method = row.owner.partition(".")
    kind: Any = getattr(centimane, owner, None) or getattr(futures, owner)
    if not method:
        needed = {"RateLimit": {"count": 1}, "Limiter": {"rate_limit": 1}, "SharedArray": {"shape": 1}}.get(owner, {})
        return kind(**{**needed, row.name: value})
    if owner == "Retry":
        return kind.for_http(**{"on": OSError, row.name: value})
    if owner == "SharedArray":
        return getattr(kind, method)(value)
    if owner == "Limiter":
        return getattr(kind(1), method)(value)
    with kind(1) as executor:
        if method == "map":
            how = {} if row.name == "iterables" else {row.name: value}
            return executor.map(str, value if row.name == "iterables" else [1], **how)
        return getattr(executor, method)(**{row.name: value})


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: f"{row.owner}-{row.name}")
def test_bad_values_of_parameters(row: Parameter) -> None:
    assert row.bad or row.bad is BY_TRUTH
    for value, error, text in row.bad:
        with pytest.raises(error, match=re.escape(text)):
            refuses(row, value)
