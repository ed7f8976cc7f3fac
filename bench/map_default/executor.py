"""ProcessPoolExecutor with a chunksize by hand; its default of one item is in the workload before."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing

NAME = "ProcessPoolExecutor, chunksize=1000"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        yield lambda items: pool.map(nothing, items, chunksize=1000)
