"""joblib's own backend for processes."""

from contextlib import contextmanager

from joblib.externals.loky import get_reusable_executor

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    yield "loky"
    get_reusable_executor().shutdown(wait=True)
