"""mpire with its own chunks: a 64th of the items each. It would unpack tuples and dicts into arguments, hence the wrapping."""

from contextlib import contextmanager

from mpire import WorkerPool
from mpire.utils import make_single_arguments

from harness import WORKERS
from harness.tasks import nothing

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda items: pool.map(
            nothing, make_single_arguments(items, generator=False), concatenate_numpy_output=False
        )
