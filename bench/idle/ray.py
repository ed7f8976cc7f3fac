"""Ray with its daemons."""

from contextlib import contextmanager

import ray

from harness.ray_local import local_ray
from harness.tasks import nothing

NAME = "Ray"
DISTRIBUTION = "ray"
NOISY = True


@contextmanager
def competitor():
    with local_ray():
        remote = ray.remote(nothing)
        yield lambda: ray.get([remote.remote(item) for item in range(100)])
