"""A remote call an item, not tried again, each asked for its outcome."""

from contextlib import contextmanager

import ray

from harness.ray_local import local_ray
from harness.tasks import mortal

NAME = "Ray"
DISTRIBUTION = "ray"
NOISY = True


@contextmanager
def competitor():
    with local_ray():
        remote = ray.remote(max_retries=0)(mortal)

        def outcome(reference):
            try:
                return ray.get(reference)
            except ray.exceptions.RayError as error:
                return error

        yield lambda function, items: [outcome(reference) for reference in [remote.remote(item) for item in items]]
