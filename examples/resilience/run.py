"""`make demo-resilience`: jobs of thousands of calls against a service with a quota, in both faces. The service's own counters are
the judge; the exit status says whether every claim holds.

python examples/resilience/run.py THE_CPP_PROGRAM [--small]

A client has at most WORKERS calls under way. So whatever is late, and for how long, a limited client sends in any span at most what the limit
lets start in it, and WORKERS more: a bucket with that much to spare is never empty.
"""

import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service import Batches, Bucket, Client, Service

from centimane import checkpoint_info

HERE = Path(__file__).resolve().parent
WORKERS = 8
SPARE = WORKERS + 4


class Demo:
    """The parts, for one face."""

    def __init__(self, face: str, command: list[str], service: Service, items: int, rate: int) -> None:
        self._face, self._command, self._service, self._items, self._rate = face, command, service, items, rate
        self.broken: list[str] = []

    def _job(self, client: str, form: str, checkpoint: str = "") -> "subprocess.Popen[bytes]":
        arguments = [self._service.port, client, self._items, form, self._rate, checkpoint]
        return subprocess.Popen([*self._command, *map(str, arguments)])

    def _claim(self, what: str, holds: bool, seen: str) -> None:
        print(f"  {'holds' if holds else 'FAILS'}: {what} ({seen})", flush=True)
        if not holds:
            self.broken.append(f"{self._face}: {what}")

    def _admit(self, name: str, quota: Bucket | Batches) -> tuple[str, Client]:
        return f"{self._face}-{name}", self._service.client(f"{self._face}-{name}", quota)

    def limited(self) -> None:
        """With a limit as high as the quota, nothing is refused."""
        name, client = self._admit("limited", Bucket(self._rate, SPARE))
        ended = self._job(name, "limited").wait()
        self._claim("a limited job succeeds", ended == 0, f"exit status {ended}")
        self._claim("it never breaks the quota", client.throttled == 0, f"{client.throttled} refusals")
        self._claim("each call is made once", self._once(client), f"{client.served.total()} calls")

    def unlimited(self) -> None:
        """Without a limit the service refuses, and the job waits as it is told."""
        name, client = self._admit("unlimited", Batches(self._items // 3))
        ended = self._job(name, "retried").wait()
        self._claim("a job without a limit succeeds", ended == 0, f"exit status {ended}")
        self._claim("it was refused, and came back", client.throttled > 0, f"{client.throttled} refusals")
        self._claim("each call succeeds once", self._once(client), f"{client.served.total()} calls")

    def killed(self, folder: Path, kills: int) -> None:
        """Killed in the middle, it goes on where its checkpoint ends."""
        name, client = self._admit("killed", Bucket(self._rate, SPARE))
        checkpoint = folder / f"{self._face}.ckpt"
        for kill in range(1, kills + 1):
            job = self._job(name, "limited", str(checkpoint))
            ended = threading.Event()

            def watch(job: "subprocess.Popen[bytes]" = job, ended: threading.Event = ended) -> None:
                job.wait()
                ended.set()
                self._service.wake()

            watcher = threading.Thread(target=watch)
            watcher.start()
            in_time = self._service.wait_for(client, kill * self._items // (kills + 1), ended)
            job.kill()
            watcher.join()
            self._claim(
                f"kill {kill} comes in the middle", in_time, f"{checkpoint_info(checkpoint).completed} recorded"
            )
        before = {item: client.served[item] for item in recorded_items(checkpoint)}
        status = self._job(name, "limited", str(checkpoint)).wait()
        self._claim("resumed, it succeeds", status == 0, f"exit status {status}")
        called = sum(client.served[item] != times for item, times in before.items())
        self._claim("what was recorded is not called again", called == 0, f"{called} of {len(before)} recorded")
        again = client.served.total() - self._items
        self._claim(
            "each kill cost the calls under way at most", 0 <= again <= kills * WORKERS, f"{again} called again"
        )
        self._claim("the quota held", client.throttled == 0, f"{client.throttled} refusals")

    def _once(self, client: Client) -> bool:
        return client.served == dict.fromkeys(range(self._items), 1)


def recorded_items(checkpoint: Path) -> list[int]:
    """Whose rows a checkpoint has. Positions are written as #17."""
    database = sqlite3.connect(f"file:{checkpoint}?mode=ro", uri=True)
    try:
        return [int(key[1:]) for (key,) in database.execute("SELECT key FROM done")]
    finally:
        database.close()


def timed(title: str, part: Callable[[], None]) -> None:
    """Runs a part and says how long it took."""
    print(f"── {title}", flush=True)
    begin = time.perf_counter()
    part()
    print(f"  {time.perf_counter() - begin:.1f} s", flush=True)


def main() -> int:
    """Runs all parts; a part that fails does not keep the others from running."""
    small = "--small" in sys.argv[2:]
    items, rate, kills = (400, 400, 2) if small else (4000, 1000, 4)
    broken: list[str] = []
    with Service() as service, tempfile.TemporaryDirectory(prefix="centimane-demo-") as scratch:
        for face, command in (
            ("python", [sys.executable, str(HERE / "job.py")]),
            ("c++", [str(Path(sys.argv[1]).resolve())]),
        ):
            demo = Demo(face, command, service, items, rate)
            timed(f"{face}: {items} calls, limited to the quota", demo.limited)
            timed(f"{face}: {items} calls, not limited", demo.unlimited)
            timed(f"{face}: {items} calls, killed {kills} times", lambda demo=demo: demo.killed(Path(scratch), kills))
            broken += demo.broken
    if broken:
        print(f"\ndemo-resilience: FAILED: {'; '.join(broken)}")
        return 1
    print("\ndemo-resilience: every claim holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
