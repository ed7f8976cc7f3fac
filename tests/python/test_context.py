"""``context=``: declared context variables, as the caller has them, in worker processes."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

import centimane
from centimane import PayloadError, async_parallel_map, parallel_iter, parallel_map, parallel_starmap

USER: ContextVar[str] = ContextVar("user", default="nobody")
REQUEST: ContextVar[int] = ContextVar("another name than its variable's")


def look(_: object = None) -> tuple[str, int | None]:
    found = (USER.get(), REQUEST.get(None))
    USER.set("changed")  # in a copy: the next task must not see it
    return found


@pytest.fixture(autouse=True)
def named() -> Any:
    user, request = USER.set("ada"), REQUEST.set(7)
    yield
    USER.reset(user)
    REQUEST.reset(request)


def test_without_it_workers_know_nothing_of_the_callers_context() -> None:
    # The second task sees what the first one has left: a worker's tasks share its context.
    assert parallel_map(look, [0], executor="process", workers=1).values() == [("nobody", None)]


def test_declared_variables_are_there_and_each_task_has_a_copy() -> None:
    result = parallel_map(look, range(50), executor="process", workers=2, context=[USER, REQUEST])
    assert result.values() == [("ada", 7)] * 50
    assert parallel_map(look, [0], executor="process", workers=2, context=(USER,)).values() == [("ada", None)]


def test_each_call_carries_what_they_are_then() -> None:
    for name in ("ada", "grace"):
        USER.set(name)
        assert parallel_map(look, [0], executor="process", workers=1, context=[USER]).values() == [(name, None)]


@pytest.mark.parametrize("executor", ["thread", "sequential"])
def test_elsewhere_the_context_is_there_anyway(executor: Any) -> None:
    # On the caller's own thread it is the caller's own context.
    assert parallel_map(look, [0], executor=executor, context=[USER, REQUEST]).values() == [("ada", 7)]


def test_in_every_form() -> None:
    @centimane.parallel(executor="process", workers=1, context=[USER])
    def decorated(_: int) -> str:
        return USER.get()

    assert decorated.map([1, 2]).values() == ["ada", "ada"]
    options: dict[str, Any] = {"executor": "process", "workers": 1, "context": [USER]}
    assert parallel_starmap(lambda a, b: (USER.get(), a + b), [(1, 2)], **options).values() == [("ada", 3)]
    assert [item.value for item in parallel_iter(look, [0], **options)] == [("ada", None)]
    assert parallel_map(look, range(4), chunksize=2, **options).values() == [("ada", None)] * 4
    assert parallel_map(lambda _: USER.get(), [0], **options).values() == ["ada"]


def test_forked_workers_have_them_too() -> None:
    result = parallel_map(look, [0, 1], executor="process", workers=1, start="fork", context=[USER, REQUEST])
    assert result.values() == [("ada", 7)] * 2


def test_on_an_event_loop() -> None:
    async def request(name: str) -> Any:
        USER.set(name)
        result = await async_parallel_map(look, [0, 1], executor="process", workers=1, context=[USER])
        return result.values()

    async def main() -> Any:
        return await asyncio.gather(request("ada"), request("grace"))

    assert asyncio.run(main()) == [[("ada", None)] * 2, [("grace", None)] * 2]


def test_a_variable_of_the_main_module_is_the_one_that_its_functions_name(script: Any) -> None:
    done = script(
        """
        from contextvars import ContextVar
        from centimane import parallel_map

        user = ContextVar("user")
        level = ContextVar("level", default=1)
        hidden = [ContextVar("hidden", default="default")]

        def look(_):
            return user.get("nobody"), level.get(), hidden[0].get()

        user.set("ada")
        hidden[0].set("here")
        print(parallel_map(look, [0], executor="process", workers=1, context=[user, level, hidden[0]]).values())
        print(parallel_map(look, [0], executor="process", workers=1).values())
        """
    )
    assert done.stdout == "[('ada', 1, 'here')]\n[('nobody', 1, 'default')]\n", done.stderr


def test_a_variable_without_a_value_has_none_there() -> None:
    fresh: ContextVar[int] = ContextVar("fresh")
    result = parallel_map(lambda _: fresh.get(None), [0], executor="process", workers=1, context=[fresh])
    assert result.values() == [None]


def test_a_value_that_cannot_travel_is_told_at_the_call() -> None:
    handle: ContextVar[Any] = ContextVar("handle")
    handle.set(number for number in range(3))
    with pytest.raises(PayloadError):
        parallel_map(look, [0], executor="process", workers=1, context=[handle])


@pytest.mark.parametrize(
    ("context", "name"), [(USER, "ContextVar"), (["user"], "str"), (7, "int"), ([USER, 3], "int"), ("user", "str")]
)
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_is_no_list_of_variables_is_refused(context: Any, name: str, executor: Any) -> None:
    called: list[int] = []
    with pytest.raises(TypeError, match=rf"context must be a list of ContextVar, such as \[var\], not {name}"):
        parallel_map(called.append, [1], executor=executor, context=context)
    assert not called
