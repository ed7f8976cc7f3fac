"""Ray, its daemons up and down again."""

from contextlib import contextmanager

NAME = "Ray"
DISTRIBUTION = "ray"
PROGRAM = """
from harness.ray_local import local_ray

import ray

with local_ray():
    remote = ray.remote(lambda x: abs(x))
    print(ray.get([remote.remote(item) for item in [-1, -2]]))
"""


@contextmanager
def competitor():
    yield PROGRAM
