"""mpire's imap_unordered; an iterator without a length needs its chunk's size."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda function, items: pool.imap_unordered(function, items, chunk_size=1)
