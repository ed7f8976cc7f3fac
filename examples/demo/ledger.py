"""Which worker is inside which item, told by the tasks themselves, and who kills one of them there.

A task notes its item when it begins and when it ends, in a file named by its process. The killer stops a worker with SIGSTOP, reads
what it noted last, and only if it stands inside an item ends it with SIGKILL: so it is known beforehand which items are lost. Some items
linger until the killer has struck: it finds somebody inside an item, however late it comes on a busy computer.
"""

import os
import signal
import threading
import time
from pathlib import Path

RECORD = 16


def note(folder, mark, index):
    """One record of fixed length, appended by one write."""
    with open(os.path.join(folder, str(os.getpid())), "ab", buffering=0) as file:
        file.write(b"%c%014d\n" % (mark, index))


def mark(folder, quarter):
    """The file that tells that the killer has struck at that quarter."""
    return Path(folder, f"struck-{quarter}")


def linger(folder, items, index):
    """In the items at the quarters: stays there until the killer has struck. A minute is a watchdog's."""
    for quarter in (1, 2, 3):
        latest = time.monotonic() + 60
        while index == items * quarter // 4 and not mark(folder, quarter).exists() and time.monotonic() < latest:
            time.sleep(0.001)


class Killer(threading.Thread):
    """Kills a worker at a quarter, at half and at three quarters of the items."""

    def __init__(self, folder, items):
        """`folder`: where tasks note; `items`: how many there are."""
        super().__init__(daemon=True)
        self.folder, self.items = Path(folder), items
        self.lost, self.killed, self.over = set(), set(), threading.Event()

    def run(self):
        """Until three are dead or the run is over."""
        for quarter in (1, 2, 3):
            while self.begun() < self.items * quarter // 4 or not self.kill_one():
                if self.over.wait(0.001):
                    return
            mark(self.folder, quarter).touch()

    def begun(self):
        """How many items have begun, roughly: two records an item."""
        return sum(path.stat().st_size for path in self.folder.iterdir()) // (2 * RECORD)

    def kill_one(self):
        """Tries each living worker; true if one was inside an item and is gone."""
        for path in self.folder.iterdir():
            pid = int(path.name) if path.name.isdecimal() else 0
            if pid == 0 or pid in self.killed:
                continue
            try:
                os.kill(pid, signal.SIGSTOP)
                while self.state(pid) not in "TZX":
                    time.sleep(0)
                last = path.read_bytes()[-RECORD:]
                if last[:1] == b"B" and not self.over.is_set():
                    self.lost.add(int(last[1:]))
                    self.killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
                    return True
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                self.killed.add(pid)
        return False

    @staticmethod
    def state(pid):
        """The one letter of /proc, X if there is none any more."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            return "X"
