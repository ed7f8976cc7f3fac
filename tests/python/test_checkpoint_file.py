"""The checkpoint file: what is refused, and that a refusal says what to do and changes nothing."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from centimane import CheckpointError, checkpoint_info, parallel_iter, parallel_map

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def double(text: str) -> str:
    return text * 2


ITEMS = [f"{n:0500}" for n in range(200)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "work.ckpt"
    assert parallel_map(double, ITEMS, sequential=True, checkpoint=path).ok
    return path


def refused(file: Path, match: str) -> None:
    before = file.read_bytes() if file.is_file() else None
    for call in (parallel_map, parallel_iter):  # a stream too refuses at the call
        with pytest.raises(CheckpointError, match=match):
            call(double, ITEMS, checkpoint=file)
    if before is not None:
        assert file.read_bytes() == before


def test_info(file: Path) -> None:
    info = checkpoint_info(file)
    assert (info.path, info.face, info.schema_version, info.completed) == (file, "python", "1", 200)
    assert info.task_signature.startswith(f"{__name__}.double:")
    assert info.checkpoint_version is None
    assert info.size_bytes == file.stat().st_size
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(FileNotFoundError):
        checkpoint_info(file.with_name("nothing"))


@pytest.mark.parametrize("size", [100, 5000, 100_000])
def test_truncated(file: Path, size: int) -> None:
    os.truncate(file, size)
    refused(file, "damaged.*Delete the file")


def test_no_database(file: Path) -> None:
    file.write_bytes(b"name,value\n" * 1000)
    refused(file, "damaged, or no checkpoint.*Delete the file")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint_info(file)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_are_never_taken_for_values(file: Path, seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(file.read_bytes())
    for _ in range(20):
        at = draw.randrange(len(data) - 64)
        data[at : at + 64] = draw.randbytes(64)
    file.write_bytes(data)
    result = None
    with contextlib.suppress(CheckpointError):
        result = parallel_map(double, ITEMS, sequential=True, checkpoint=file)
    if result is not None:  # a row that was hit in its key or digest is computed anew
        assert list(result) == [double(item) for item in ITEMS]


def test_another_application(tmp_path: Path) -> None:
    file = tmp_path / "bookmarks.db"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.commit()
    other.close()
    refused(file, "no checkpoint but another database, with the tables bookmarks. Give another path")
    with pytest.raises(CheckpointError, match="another database"):
        checkpoint_info(file)


def alter(file: Path, statement: str) -> None:
    database = sqlite3.connect(file)
    database.execute(statement)
    database.commit()
    database.close()


def test_another_face(file: Path) -> None:
    alter(file, "UPDATE meta SET value = 'c++' WHERE name = 'face'")
    refused(file, r"written by a c\+\+ program, whose values Python cannot read")
    assert checkpoint_info(file).face == "c++"


def test_another_format(file: Path) -> None:
    alter(file, "PRAGMA user_version = 9")
    refused(file, "has format 9, and this version of centimane reads format 1")


def test_metadata_that_is_gone(file: Path) -> None:
    alter(file, "DELETE FROM meta WHERE name = 'function'")
    refused(file, "does not say whose results it holds")


def test_a_changed_value(file: Path) -> None:
    alter(file, "UPDATE done SET value = x'80054b052e' WHERE key = CAST('#7' AS BLOB)")
    with pytest.raises(CheckpointError, match="has changed since it was written"):
        parallel_map(double, ITEMS, checkpoint=file)


def test_no_plain_file(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    refused(link, "no plain file")
    refused(tmp_path, "no plain file")
    with pytest.raises(CheckpointError, match="no plain file"):
        checkpoint_info(link)


def test_a_file_that_others_may_write(file: Path) -> None:
    file.chmod(0o620)
    refused(file, "chmod go-w")


@pytest.mark.parametrize("path", ["missing/work.ckpt", "/proc/work.ckpt"])
def test_folders_that_take_no_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be opened: .*can be written to"):
        parallel_map(double, ITEMS, checkpoint=tmp_path / path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(file: Path) -> None:
    file.parent.chmod(0o500)
    try:
        assert checkpoint_info(file).completed == 200
        with pytest.raises(CheckpointError, match="cannot be opened"):
            parallel_map(double, ITEMS, checkpoint=file.parent / "new")
    finally:
        file.parent.chmod(0o700)


def test_in_use_by_another_process(file: Path) -> None:
    """The other run waits in its function for the end of its standard input."""
    program = (
        "import sys; from centimane import parallel_map; from test_checkpoint_file import double\n"
        "stop = lambda r: (print('running', flush=True), sys.stdin.read())\n"
        "parallel_map(double, ['new'], sequential=True, checkpoint=sys.argv[1], on_result=stop, item_key=str)\n"
    )
    program = program.replace("test_checkpoint_file", __name__)
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "running\n"
        with pytest.raises(CheckpointError, match="in use by a run of another process"):
            parallel_map(double, ITEMS, checkpoint=file)
        assert checkpoint_info(file).completed == 201
        other.kill()
    # The lock ends with the process, and its row is there.
    assert checkpoint_info(file).completed == 201
    assert parallel_map(double, ["new"], checkpoint=file, item_key=str).item_results()[0].attempts == 0


def test_a_fork_has_no_part_in_it(file: Path) -> None:
    stream = parallel_iter(double, [*ITEMS, "new"], checkpoint=file)
    next(stream)
    child = os.fork()
    if child == 0:
        try:
            parallel_map(double, ITEMS, sequential=True, checkpoint=file)
        except CheckpointError as error:
            os._exit(0 if "another process" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(stream)) == 200
    assert checkpoint_info(file).completed == 201


def test_a_disk_that_is_full(script: Script, tmp_path: Path) -> None:
    """Played by a limit on the size of files. What was recorded before it stays."""
    done = script(
        """
        import resource, signal
        from centimane import CheckpointError, checkpoint_info, parallel_map
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        def big(n):
            return bytes(20_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        told = []
        try:
            parallel_map(big, range(200), workers=2, checkpoint="work", on_result=lambda r: told.append(r.index))
        except CheckpointError as error:
            assert "cannot be written" in str(error) and "stays good" in str(error), error
        else:
            raise AssertionError("there was room")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert 0 < len(told) <= checkpoint_info("work").completed < 200
        assert parallel_map(big, range(200), workers=2, checkpoint="work").ok
        """
    )
    assert done.returncode == 0, done.stderr
