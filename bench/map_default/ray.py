"""Ray's own Pool, with its chunks."""

from contextlib import contextmanager

from ray.util.multiprocessing import Pool

from harness import WORKERS
from harness.ray_local import local_ray
from harness.tasks import nothing

NAME = "Ray (ray.util.multiprocessing.Pool)"
DISTRIBUTION = "ray"
NOISY = True


@contextmanager
def competitor():
    with local_ray(), Pool(WORKERS) as pool:
        yield lambda items: pool.map(nothing, items)
