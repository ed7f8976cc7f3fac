"""Named shared memory: the standard library's interface, and nothing left behind, however its makers end."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from multiprocessing import shared_memory as theirs
from pathlib import Path
from typing import Any

import pytest
from leaks import MARK, PATIENCE, marked_processes, wait_for_end

import centimane
from centimane import _core, parallel_map
from centimane.multiprocessing import shared_memory
from centimane.multiprocessing.shared_memory import ShareableList, SharedMemory

SHM = Path("/dev/shm")


def there(name: str) -> set[str]:
    """What stands in /dev/shm for that name: itself, what begins like it, the notes beside them. Other tests may run meanwhile."""
    found: set[str] = set()
    for one in os.listdir(SHM):
        try:
            leads_to = os.readlink(SHM / one) if one.startswith("centimane.") else ""
        except OSError:  # it has just gone
            continue
        if name in one or name in leads_to:
            found.add(one)
    return found


def expect_gone(name: str) -> None:
    """Nothing stands there for that name. Another test that sweeps at this moment may have it in hand: then it goes by him."""
    latest = time.monotonic() + PATIENCE
    while there(name) and time.monotonic() < latest:
        time.sleep(0.01)
    assert not there(name)


@pytest.fixture
def name() -> str:
    """One that no other test has, and that the leak check knows as ours."""
    return f"centimane-test-{os.getpid()}-{os.urandom(4).hex()}"


class Other:
    """A program that makes or opens shared memory, says so, and waits to be told to go."""

    def __init__(self, source: str) -> None:
        # stderr goes where pytest shows it; what a program should not say is looked for by `script`.
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source) + "\nprint('ready', flush=True)\ninput()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        while self.said and not self.said.endswith("ready"):
            self.said += " " + self.process.stdout.readline().strip()

    def end(self) -> None:
        """Told to go."""
        if self.process.poll() is None:
            self.process.communicate("\n")
        self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def other() -> Iterator[Callable[[str], Other]]:
    """Starts such programs; ends what still runs."""
    all_of_them: list[Other] = []

    def start(source: str) -> Other:
        all_of_them.append(Other(source))
        return all_of_them[-1]

    yield start
    for one in all_of_them:
        one.end()
    _core.sweep_memory()


# ---- the interface


def test_made_by_default_under_a_name_that_nobody_guesses() -> None:
    made = SharedMemory(create=True, size=100)
    assert re.fullmatch(r"centimane-[0-9a-f]{32}", made.name)
    assert made.size == len(made.buf) == 100
    assert bytes(made.buf) == bytes(100)
    assert repr(made) == f"SharedMemory({made.name!r}, size=100)"
    about = (SHM / made.name).stat()
    assert about.st_mode & 0o777 == 0o600
    assert about.st_size == 100
    assert about.st_blocks * 512 >= 100  # its room is taken
    made.close()
    assert made.buf is None
    made.close()
    made.unlink()
    with pytest.raises(FileNotFoundError):
        made.unlink()


def test_attached_by_name_and_by_pickle(name: str) -> None:
    made = SharedMemory(name, create=True, size=8)
    same, again = SharedMemory(name), pickle.loads(pickle.dumps(made))
    same.buf[0] = 5
    assert made.buf[0] == again.buf[0] == 5
    made.unlink()
    same.buf[1] = 6  # who has it open keeps it
    assert made.buf[1] == 6
    with pytest.raises(FileNotFoundError, match="does not exist"):
        SharedMemory(name)


def test_the_standard_librarys_attaches_and_the_other_way_round(name: str) -> None:
    made = SharedMemory(name, create=True, size=8)
    # Whatever it tracks, it tracks in vain: the standard library starts a process to track what is only attached.
    untracked = {"track": False} if sys.version_info >= (3, 13) else {}
    program = f"""
    from multiprocessing import shared_memory, resource_tracker
    resource_tracker.register = lambda *_: None
    m = shared_memory.SharedMemory({name!r}, **{untracked!r})
    m.buf[0] = 9
    m.close()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    assert made.buf[0] == 9
    made.unlink()
    (SHM / name).write_bytes(b"abc")
    (SHM / name).chmod(0o600)
    found = SharedMemory(name)
    assert bytes(found.buf) == b"abc"
    found.unlink()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"create": True}, ValueError),
        ({"create": True, "size": 0}, ValueError),
        ({"create": True, "size": -1}, ValueError),
        ({}, ValueError),
        ({"name": "a\0b"}, ValueError),
        ({"name": "a/b", "create": True, "size": 1}, OSError),
        ({"name": "", "create": True, "size": 1}, OSError),
        ({"name": "..", "create": True, "size": 1}, OSError),
        ({"name": "x" * 256, "create": True, "size": 1}, OSError),
        ({"name": "centimane-not-there"}, FileNotFoundError),
        ({"create": True, "size": 2**60}, centimane.ResourceLimit),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        SharedMemory(**arguments)


def test_a_name_is_taken_once(name: str) -> None:
    made = SharedMemory(name, create=True, size=1)
    with pytest.raises(FileExistsError, match="exists already"):
        SharedMemory(name, create=True, size=1)
    made.unlink()


def test_a_squatters_is_refused(name: str, tmp_path: Path) -> None:
    place, elsewhere = SHM / name, tmp_path / "elsewhere"
    elsewhere.write_bytes(b"abc")
    place.symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="no plain file"):
        SharedMemory(name)
    with pytest.raises(FileExistsError):
        SharedMemory(name, create=True, size=1)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(PermissionError, match="no plain file"):
        SharedMemory(name)
    place.unlink()
    place.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        SharedMemory(name)
    if os.geteuid() == 0:
        place.write_bytes(b"abc")
        os.chown(place, 65534, 65534)
        with pytest.raises(PermissionError, match="belongs to another user"):
            SharedMemory(name)
    place.unlink()


def test_closing_what_is_looked_into() -> None:
    made = SharedMemory(create=True, size=10)
    part = made.buf[2:]
    with pytest.raises(BufferError):
        made.close()
    part[0] = 1
    part.release()
    made.close()
    made.unlink()


def test_forgotten_without_closing(capfd: pytest.CaptureFixture[str]) -> None:
    made = SharedMemory(create=True, size=10)
    part = made.buf[2:]
    made.unlink()
    del made
    part[0] = 1  # the memory is there as long as anybody looks
    del part
    assert capfd.readouterr().err == ""


def test_a_name_that_is_anothers_by_now_is_not_taken_away(name: str) -> None:
    first, second = SharedMemory(name, create=True, size=1), None
    (SHM / name).unlink()
    second = SharedMemory(name, create=True, size=1)
    with pytest.raises(FileNotFoundError, match="another's by now"):
        first.unlink()
    second.unlink()
    _core.sweep_memory()
    for note in there(name):  # the note of what somebody else unlinked stays until the program ends
        (SHM / note).unlink()


def test_tasks_attach_and_what_they_make_stays() -> None:
    made = SharedMemory(create=True, size=4)

    def add(shared: SharedMemory) -> str:
        shared.buf[0] += 1
        new = SharedMemory(create=True, size=3)
        new.buf[:] = b"new"
        return new.name

    names = parallel_map(add, [made] * 3, executor="process", workers=1, max_tasks_per_worker=1).values()
    assert made.buf[0] == 3
    made.unlink()
    for one in names:
        found = SharedMemory(one)
        assert bytes(found.buf) == b"new"
        found.unlink()


# ---- what is left when programs end

MAKE = """
from centimane.multiprocessing.shared_memory import SharedMemory
m = SharedMemory({name!r}, create=True, size=10, track={track})
"""
ATTACH = """
from centimane.multiprocessing.shared_memory import SharedMemory
m = SharedMemory({name!r})
"""


def test_gone_with_the_program_without_a_word(script: Any, name: str) -> None:
    done = script(MAKE.format(name=name, track=True) + "SharedMemory(create=True, size=5)\nm.close()\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expect_gone(name)


def test_no_process_is_started(script: Any) -> None:
    done = script(
        """
        import os, sys
        from centimane.multiprocessing.shared_memory import SharedMemory
        m = SharedMemory(create=True, size=5)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("none")
        print("multiprocessing.resource_tracker" in sys.modules)
        """
    )
    assert done.stdout == "none\nFalse\n", done.stderr


def test_what_a_killed_program_made_goes_with_the_next_look(other: Callable[[str], Other], name: str) -> None:
    maker = other(MAKE.format(name=name, track=True))
    assert name in there(name)
    maker.kill()
    probe = other("from centimane.multiprocessing.shared_memory import SharedMemory\nSharedMemory(create=True, size=1)")
    expect_gone(name)
    probe.end()
    expect_gone(name)


def test_a_late_attach_finds_nothing_of_the_dead(other: Callable[[str], Other], name: str) -> None:
    other(MAKE.format(name=name, track=True)).kill()
    probe = other(
        f"try:\n    {ATTACH.format(name=name).strip().replace(chr(10), chr(10) + '    ')}\nexcept FileNotFoundError:\n    print('none')"
    )
    assert probe.said == "none ready"


@pytest.mark.parametrize("how", ["end", "kill"])
def test_never_while_another_program_has_it(other: Callable[[str], Other], name: str, how: str) -> None:
    maker = other(MAKE.format(name=name, track=True))
    holder = other(ATTACH.format(name=name))
    getattr(maker, how)()
    _core.sweep_memory()
    assert name in there(name)
    another = other(ATTACH.format(name=name))
    holder.end()
    _core.sweep_memory()
    assert name in there(name)
    another.kill()  # the kernel takes back its lock
    _core.sweep_memory()
    expect_gone(name)


def test_who_closes_last_takes_it_away(other: Callable[[str], Other], name: str) -> None:
    maker = other(MAKE.format(name=name, track=True))
    held = SharedMemory(name)
    maker.kill()
    _core.sweep_memory()
    assert name in there(name)
    held.close()
    expect_gone(name)


def test_untracked_stays(other: Callable[[str], Other], name: str) -> None:
    maker = other(MAKE.format(name=name, track=False))
    assert there(name) == {name}
    maker.end()
    _core.sweep_memory()
    found = SharedMemory(name)
    assert found.size == 10
    found.unlink()
    expect_gone(name)


def test_others_unlink_what_a_living_program_made(other: Callable[[str], Other], name: str) -> None:
    maker = other(MAKE.format(name=name, track=True))
    SharedMemory(name).unlink()
    expect_gone(name)
    maker.end()


def test_a_zygote_takes_it_away_after_its_killed_driver(other: Callable[[str], Other], name: str) -> None:
    maker = other(
        f"""
        from centimane import parallel_map
        from centimane.multiprocessing.shared_memory import SharedMemory
        print(*parallel_map(lambda n: SharedMemory(n, create=True, size=7).name, [{name!r}], executor="process", workers=1).values())
        """
    )
    assert name in there(name)
    maker.kill()
    assert not wait_for_end(marked_processes(os.environ[MARK]))
    expect_gone(name)


def test_a_process_that_outlives_its_program_is_one_of_its_own(script: Any, name: str) -> None:
    done = script(
        f"""
        import os, sys
        from centimane.multiprocessing.shared_memory import SharedMemory
        first = SharedMemory({name + "-1"!r}, create=True, size=1)
        program = os.getpid()
        if os.fork():
            os._exit(0)   # as a daemon's parent does

        def lives():
            try:
                with open(f"/proc/{{program}}/stat") as file:
                    return file.read().rpartition(")")[2].split()[0] not in "ZX"
            except OSError:
                return False

        while lives():
            pass
        second = SharedMemory({name + "-2"!r}, create=True, size=1)
        import subprocess
        subprocess.run([sys.executable, "-c", "from centimane import _core; _core.sweep_memory()"], check=True)
        print(sorted(n for n in os.listdir("/dev/shm") if {name!r} in n) == [{name + "-2"!r}])
        """
    )
    assert done.stdout == "True\n", done.stderr
    expect_gone(name)


@pytest.mark.slow
def test_killed_at_any_time_leaves_nothing(name: str) -> None:
    program = f"""
    from centimane.multiprocessing.shared_memory import SharedMemory
    print("ready", flush=True)
    while True:
        made = [SharedMemory("{name}-" + str(k), create=True, size=5000) for k in range(3)]
        for m in made:
            m.close()
            m.unlink()
    """
    for k in range(25):
        maker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
        assert maker.stdout is not None
        maker.stdout.readline()
        for _ in range(k):
            SharedMemory(create=True, size=100 * k + 1).unlink()
        maker.kill()
        maker.communicate()
        _core.sweep_memory()  # its names are the next one's
    _core.sweep_memory()
    expect_gone(name)


# ---- ShareableList

VALUES = [1, -(2**63), 2.5, True, None, "text", "ä" * 8, b"bytes", "", b"", "漢字漢字漢字"]


def test_a_list_keeps_values_of_all_types(name: str) -> None:
    made = ShareableList(VALUES, name=name)
    assert list(made) == VALUES
    assert [type(one) for one in made] == [type(one) for one in VALUES]
    assert len(made) == len(VALUES)
    same = ShareableList(name=name)
    same[0] = 7
    same[-1] = "kürzer"
    assert made[0] == 7
    assert made[10] == "kürzer"
    assert pickle.loads(pickle.dumps(made))[0] == 7
    assert made.index(2.5) == 2
    assert made.count(None) == 1
    for wrong in (lambda: made[11], lambda: made[-12], lambda: made.__setitem__(11, 1)):
        with pytest.raises(IndexError):
            wrong()
    with pytest.raises(ValueError, match="exceeds available storage"):
        made[5] = "far too long"
    with pytest.raises(KeyError, match="complex"):
        made[0] = 1j
    with pytest.raises(ValueError, match="not in this container"):
        made.index("nowhere")
    assert isinstance(ShareableList[int], object)
    made.shm.unlink()


def test_the_standard_librarys_list_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "SharedMemory", SharedMemory)
    made = ShareableList(VALUES, name=name)
    assert list(theirs.ShareableList(name=name)) == VALUES
    assert theirs.ShareableList(name=name).format == made.format
    made.shm.unlink()
    plain = [value for value in VALUES if not isinstance(value, str) or value.isascii()]
    made_there = theirs.ShareableList(plain, name=name)
    assert list(ShareableList(name=name)) == plain
    made_there.shm.unlink()


def test_what_is_no_list_is_refused(name: str) -> None:
    for content in (b"x", bytes(8), (5).to_bytes(8, "little") * 4, b"\xff" * 64, (2).to_bytes(8, "little") + bytes(56)):
        made = SharedMemory(name, create=True, size=len(content))
        made.buf[:] = content
        with pytest.raises(ValueError, match="no ShareableList"):
            ShareableList(name=name)
        made.unlink()
    made_list = ShareableList([1, 2], name=name)
    made_list.shm.buf[32 + 16 : 32 + 24] = b"99999999"[:7] + b"s"
    with pytest.raises(ValueError, match="no ShareableList any more"):
        made_list[0]
    made_list.shm.unlink()


def test_the_module_stands_in_for_the_standard_librarys() -> None:
    import centimane.multiprocessing as multiprocessing

    assert multiprocessing.shared_memory is shared_memory
    assert set(theirs.__all__) <= set(dir(shared_memory)) | {"ShareableList"}
    assert not hasattr(shared_memory, "no_such_thing")
