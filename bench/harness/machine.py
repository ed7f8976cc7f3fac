"""What was measured on: processor, processors, kernel, interpreter, compiler."""

import os
import platform
import time
from pathlib import Path


def processor() -> str:
    """The processor's name, as Linux tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def describe() -> str:
    """One line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} CPUs, {memory:.0f} GiB, Linux {platform.release()}, "
        f"CPython {platform.python_version()}"
    )


def today() -> str:
    """The date, as it is written into a record."""
    return time.strftime("%Y-%m-%d")
