"""A backend for joblib, and so for scikit-learn: ``Parallel`` runs on centimane's worker processes.

::

    import centimane.joblib
    from joblib import Parallel, delayed, parallel_config

    centimane.joblib.register()
    with parallel_config(backend="centimane", n_jobs=4):
        print(Parallel()(delayed(pow)(n, 2) for n in range(10)))

joblib 1.3 and later. What differs from its own backends is told in docs/joblib.md.
"""

from __future__ import annotations

__all__ = ["register", "shutdown"]

NAME = "centimane"
"""What the backend is called in ``parallel_config(backend=...)`` and ``Parallel(backend=...)``."""


def register(*, make_default: bool = False) -> None:
    """Makes the backend "centimane" known to joblib in this process. Safe to repeat.

    Args:
        make_default: ``Parallel`` uses it wherever no backend is named, in place of loky.

    Raises:
        ImportError: joblib is not installed, or older than 1.3.

    Thread safety: any thread. Cost: the import of joblib; no process is started before the first call that needs one.
    """
    try:
        import joblib.parallel  # pyright: ignore[reportMissingTypeStubs]

        from ._joblib_backend import CentimaneBackend
    except ImportError as error:
        raise ImportError(f"the backend for joblib needs joblib 1.3 or later: {error}") from error
    joblib.parallel.register_parallel_backend(NAME, CentimaneBackend, make_default=make_default)  # pyright: ignore[reportUnknownMemberType]


def shutdown(wait: bool = True) -> None:
    """Ends the worker processes that are kept warm between calls. The next call starts new ones.

    It need not be called: workers without work leave after ``idle_worker_timeout`` seconds, and all end with the program.

    Args:
        wait: return only when they have gone. What runs of other threads' calls is carried to its end.

    Thread safety: any thread.
    """
    from . import _warm_executors

    _warm_executors.shutdown(wait=wait)
