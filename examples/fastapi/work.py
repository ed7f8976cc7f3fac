"""What the service's workers do. It is a module of its own, so that they import this and no web framework."""

import io
import os

from PIL import Image


def count_primes(below: int) -> dict[str, int]:
    """How many primes there are below a number, by trial division: work for a processor."""
    primes: list[int] = []
    for number in range(2, below):
        for prime in primes:
            if prime * prime > number:
                primes.append(number)
                break
            if number % prime == 0:
                break
        else:
            primes.append(number)
    return {"below": below, "primes": len(primes), "worker": os.getpid()}


def root(number: int) -> int:
    """The whole root of a square number."""
    found = int(number**0.5) if number >= 0 else -1
    if found * found != number:
        raise ValueError(f"{number} is no square")
    return found


def thumbnail(data: bytes, edge: int) -> bytes:
    """The picture as a JPEG that is no wider and no higher than ``edge``."""
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((edge, edge))
    out = io.BytesIO()
    small.save(out, "JPEG")
    return out.getvalue()
