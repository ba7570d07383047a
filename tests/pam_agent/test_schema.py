import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pam_agent import tables
from pam_agent.schema import FILE_NAME, StoreError, explain, open_store

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def make(state: Path) -> Path:
    open_store(state)[0].close()
    return state / FILE_NAME


def refusal(state: Path) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(state)
    return str(caught.value)


def test_folder_and_file_are_private(state: Path) -> None:
    old = os.umask(0)
    try:
        db, _ = open_store(state)
        db.execute("CREATE TABLE scratch (x)")
    finally:
        os.umask(old)
    assert state.stat().st_mode & 0o777 == 0o700
    files = {file.name: file.stat().st_mode & 0o777 for file in state.iterdir()}
    assert files == {FILE_NAME: 0o600, f"{FILE_NAME}-wal": 0o600}
    db.close()


def test_a_commit_is_on_the_disk_before_it_returns(state: Path) -> None:
    db, _ = open_store(state)
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
    assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert db.execute("PRAGMA secure_delete").fetchone()[0] == 1
    assert not db.in_transaction
    db.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_commit_is_synced(state: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from pam_agent.schema import open_store\n"
        "db, _ = open_store(Path(sys.argv[1])); print('START', flush=True)\n"
        "for n in range(3): db.execute('UPDATE identity SET shard = ?', (n,))\n"
        "print('END', flush=True)\n"
    )
    strace = ["strace", "-f", "-e", "trace=fsync,fdatasync,write", "-y"]
    traced = subprocess.run(
        [*strace, sys.executable, "-c", script, str(state)],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    before, _, after = traced.partition("START")
    assert after.partition("END")[0].count("sync(") >= 3
    for folder in (state, state.parent):
        assert re.search(rf"fsync\(\d+<{re.escape(str(folder))}>\)", before)


def test_keys_are_drawn_once_per_host(tmp_path: Path) -> None:
    rows = []
    for folder in ("one", "one", "two"):
        db, _ = open_store(tmp_path / folder)
        rows.append(tuple(db.execute("SELECT static, link, shard FROM identity").fetchone()))
        db.close()
    assert rows[0] == rows[1]
    assert len({rows[0][0], rows[0][1], rows[2][0], rows[2][1]}) == 4


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o777])
def test_a_folder_that_others_may_use_is_refused(state: Path, mode: int) -> None:
    make(state)
    state.chmod(mode)
    assert f"others may use it (mode {mode:04o}): chmod 0700 {state}" in refusal(state)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620])
def test_a_file_that_others_may_use_is_refused(state: Path, mode: int) -> None:
    file = make(state)
    file.chmod(mode)
    assert f"others may use it (mode {mode:04o}): chmod 0600 {file}" in refusal(state)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", FILE_NAME])
def test_what_belongs_to_somebody_else_is_refused(state: Path, name: str) -> None:
    make(state)
    os.chown(state / name, 12345, -1)
    assert "belongs to uid 12345, the agent runs as uid 0" in refusal(state)


def test_a_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    make(tmp_path / "other")
    state.symlink_to(tmp_path / "other")
    assert "not a folder" in refusal(state)
    state.unlink()
    state.mkdir(mode=0o700)
    (state / FILE_NAME).symlink_to(tmp_path / "other" / FILE_NAME)
    assert "not a regular file" in refusal(state)


def test_the_folder_above_must_be_there(tmp_path: Path) -> None:
    assert "none: no such folder" in refusal(tmp_path / "none" / "state")


def test_a_file_in_the_place_of_the_folder(state: Path) -> None:
    state.write_text("")
    assert "not a folder" in refusal(state)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/state: Not a directory" in refusal(tmp_path / "file" / "state")


def test_a_second_agent_is_refused(state: Path) -> None:
    db, _ = open_store(state)
    assert "another process has it open" in refusal(state)
    db.close()
    make(state)


def test_a_newer_schema_is_refused(state: Path) -> None:
    file = make(state)
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {tables.SCHEMA_VERSION + 1}")
    db.close()
    assert "of a newer agent (schema 3, this one knows 2)" in refusal(state)


def test_another_programs_database_is_refused(state: Path) -> None:
    state.mkdir(mode=0o700)
    file = state / FILE_NAME
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    file.chmod(0o600)
    before = file.read_bytes()
    assert "another program's database" in refusal(state)
    assert b"theirs" in before
    assert sqlite3.connect(file).execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_no_database_is_refused(state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / FILE_NAME).write_bytes(b"what is this" * 1000)
    (state / FILE_NAME).chmod(0o600)
    assert "damaged or no database" in refusal(state)


def test_a_damaged_page_is_found_at_the_start(state: Path) -> None:
    file = make(state)
    data = bytearray(file.read_bytes())
    for start in range(4096, len(data), 4096):  # each page's header but the first's
        data[start : start + 12] = b"\xff" * 12
    file.write_bytes(data)
    assert "damaged" in refusal(state)


def test_a_cut_file_is_refused(state: Path) -> None:
    file = make(state)
    os.truncate(file, file.stat().st_size // 2)
    assert "damaged" in refusal(state)


def test_an_empty_file_is_a_new_one(state: Path) -> None:
    """A crash between the making of the file and the first commit leaves one."""
    state.mkdir(mode=0o700)
    (state / FILE_NAME).touch(mode=0o600)
    make(state)


def test_errors_are_for_operators() -> None:
    path = Path("/var/lib/x/agent.db")
    assert str(explain(path, OSError(5, "Input/output error"))) == f"{path}: Input/output error"
    assert "input/output failed" in str(explain(path, OSError()))
    assert "the database refused (ProgrammingError)" in str(
        explain(path, sqlite3.ProgrammingError("secret"))
    )
