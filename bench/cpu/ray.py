"""Ray, one remote call an item."""

from contextlib import contextmanager

import ray

from harness.ray_local import local_ray

NAME = "Ray"
DISTRIBUTION = "ray"
NOISY = True


@contextmanager
def competitor():
    with local_ray():
        remote = {}

        def run(function, items):
            if function not in remote:
                remote[function] = ray.remote(function)
            return ray.get([remote[function].remote(item) for item in items])

        yield run
