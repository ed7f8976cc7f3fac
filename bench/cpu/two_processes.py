"""The machine's ceiling: this process forks one that does half of the job, and does the other half itself."""

import os
import pickle
from contextlib import contextmanager

NAME = "two bare processes, half each"


@contextmanager
def competitor():
    def run(function, items):
        half = len(items) // 2
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            with os.fdopen(send, "wb") as file:
                pickle.dump([function(item) for item in items[:half]], file)
            os._exit(0)
        os.close(send)
        mine = [function(item) for item in items[half:]]
        with os.fdopen(receive, "rb") as file:
            theirs = pickle.load(file)
        os.waitpid(pid, 0)
        return theirs + mine

    yield run
