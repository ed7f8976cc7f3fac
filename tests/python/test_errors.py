"""Errors survive pickling with everything they know, and have the bases that callers catch."""

from __future__ import annotations

import copy
import pickle

import pytest

import centimane
from centimane import _errors

KINDS = [getattr(centimane, name) for name in centimane.__all__ if isinstance(getattr(centimane, name), type)]
ERRORS = [kind for kind in KINDS if issubclass(kind, BaseException)]

SAMPLES = [
    centimane.WorkerDied("gone", stage="run", signal=11, pid=5, worker=1, stack="at f", likely_oom=True, poison=True),
    centimane.WorkerDied("gone", exit_code=3),
    centimane.TaskTimeout("late", limit=0.5, stack="at g", pid=7, worker=0),
    centimane.PayloadError("no", stage="write_args", path="f → conn"),
    centimane.RemoteError("said", type_name="m.E", text="t", traceback="tb"),
    _errors.RemoteTraceback("text"),
    *(kind("some text") for kind in ERRORS),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickled_and_back(error: BaseException, protocol: int) -> None:
    for back in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):
        assert type(back) is type(error)
        assert str(back) == str(error)
        assert vars(back) == vars(error)


@pytest.mark.parametrize("kind", ERRORS)
def test_one_base(kind: type[BaseException]) -> None:
    assert issubclass(kind, centimane.Error)


def test_the_bases_that_callers_catch() -> None:
    assert issubclass(centimane.TaskTimeout, TimeoutError)
    assert issubclass(centimane.TimedOut, TimeoutError)
    assert issubclass(centimane.PoolClosed, RuntimeError)
    assert issubclass(centimane.ResourceLimit, OSError)


def test_everything_public_is_there() -> None:
    for name in centimane.__all__:
        assert getattr(centimane, name) is not None
    assert set(centimane.__all__) <= set(dir(centimane))
    with pytest.raises(AttributeError):
        _ = centimane.no_such_name  # type: ignore[attr-defined]
