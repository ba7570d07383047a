"""The key store on a real file system: who may read it, and what damage does."""

import os
from pathlib import Path

import pytest

from tests.validator.pairs import record
from tests.validator.stores import FILE, RECORD, following, nobody_waits, read, write
from validator import erasure, keystore
from validator.errors import KeyStoreError
from validator.keystore import KeyStore, location


def test_location():
    home = Path("/home/alice")
    assert location({}, home) == home / ".local/share/bartizan"
    assert location({"XDG_DATA_HOME": "/data"}, home) == Path("/data/bartizan")
    assert location({"XDG_DATA_HOME": "data"}, home) == home / ".local/share/bartizan"
    assert location({"XDG_DATA_HOME": "/data", "BARTIZAN_HOME": "/keys"}, home) == Path("/keys")


def test_a_record_is_kept(store: KeyStore, path: Path):
    assert store.listing().records == (RECORD,)
    newer = following(RECORD)
    write(store, newer)
    assert store.listing().records == (newer,)
    assert read(path) == newer


def test_the_old_root_is_in_no_file(store: KeyStore, path: Path):
    write(store, following(RECORD))
    for file in path.iterdir():
        assert RECORD.generation.root not in file.read_bytes()


def test_forgetting_leaves_nothing(store: KeyStore, path: Path):
    (path / (RECORD.record_id + ".tmp")).write_bytes(b"left by a crash")
    with store.locked(RECORD.record_id, 0, nobody_waits) as locked:
        locked.forget()
    assert list(path.iterdir()) == []
    assert store.listing() == keystore.Listing((), ())


def test_what_was_erased_does_not_come_back(store: KeyStore, path: Path):
    with store.locked(RECORD.record_id, 0, nobody_waits) as locked:
        erasure.erase(path)
        with pytest.raises(KeyStoreError, match="erased meanwhile"):
            locked.write(following(RECORD))
    assert not path.exists()


def test_nor_when_it_is_erased_while_it_is_written(
    store: KeyStore, path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The lock's file is gone, and its directory is not, just as the record takes its place."""
    replace = os.replace

    def erased_just_before(*names: str, **directories: int) -> None:
        (path / (RECORD.record_id + ".lock")).unlink()
        replace(*names, **directories)

    monkeypatch.setattr(os, "replace", erased_just_before)
    with (
        store.locked(RECORD.record_id, 0, nobody_waits) as locked,
        pytest.raises(KeyStoreError, match="erased meanwhile"),
    ):
        locked.write(following(RECORD))
    assert list(path.iterdir()) == []


def test_what_cannot_be_forgotten_is_named(store: KeyStore, path: Path):
    (path / (RECORD.record_id + ".tmp")).mkdir()  # in the way, also for root
    with (
        store.locked(RECORD.record_id, 0, nobody_waits) as locked,
        pytest.raises(KeyStoreError, match=FILE),
    ):
        locked.forget()


def test_other_files_are_left_alone(store: KeyStore, path: Path):
    (path / "notes.txt").write_text("mine")
    assert store.listing().records == (RECORD,)


def test_everything_is_private_whatever_the_umask(path: Path):
    before = os.umask(0)
    try:
        with KeyStore(path) as store:
            write(store, RECORD)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o702, 0o720, 0o755, 0o770, 0o704])
def test_a_directory_open_to_others_is_refused(store: KeyStore, path: Path, mode: int):
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match=f"open to other users .mode {mode:04o}.*chmod"):
        KeyStore(path)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o601])
def test_a_record_open_to_others_is_refused(store: KeyStore, path: Path, mode: int):
    (path / FILE).chmod(mode)
    listing = store.listing()
    assert listing.records == ()
    (refused,) = listing.refused
    assert FILE in str(refused)
    assert f"{mode:04o}" in str(refused)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", FILE])
def test_what_belongs_to_somebody_else_is_refused(store: KeyStore, path: Path, name: str):
    os.chown(path / name, 12345, -1)
    if name:
        assert "another user (uid 12345)" in str(store.listing().refused[0])
    else:
        with pytest.raises(KeyStoreError, match=r"another user \(uid 12345\)"):
            KeyStore(path)


def test_a_symbolic_link_in_place_of_the_directory_is_refused(store: KeyStore, path: Path):
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(KeyStoreError, match="symbolic link"):
        KeyStore(link)


def test_a_dangling_link_in_place_of_the_directory_is_refused(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyStoreError, match="symbolic link"):
        KeyStore(tmp_path / "link")


def test_a_symbolic_link_in_place_of_a_record_is_refused(store: KeyStore, path: Path):
    (path / FILE).rename(path / "elsewhere")
    (path / FILE).symlink_to(path / "elsewhere")
    (refused,) = store.listing().refused
    assert "symbolic link" in str(refused)


def test_a_symbolic_link_in_place_of_the_lock_is_refused(store: KeyStore, path: Path):
    lock = path / (RECORD.record_id + ".lock")
    lock.unlink()
    lock.symlink_to(path / "target")
    with (
        pytest.raises(KeyStoreError, match="symbolic link"),
        store.locked(RECORD.record_id, 0, nobody_waits),
    ):
        pass
    assert not (path / "target").exists()


def test_a_link_planted_for_the_temporary_file_is_not_followed(store: KeyStore, path: Path):
    (path / "victim").write_bytes(b"precious")
    (path / (RECORD.record_id + ".tmp")).symlink_to(path / "victim")
    write(store, following(RECORD))
    assert (path / "victim").read_bytes() == b"precious"


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path):
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(KeyStoreError, match="Not a directory"):
        KeyStore(tmp_path / "file")


def test_a_pipe_in_place_of_a_record_is_refused_and_not_waited_for(store: KeyStore, path: Path):
    (path / FILE).unlink()
    os.mkfifo(path / FILE, 0o600)
    assert "no ordinary file" in str(store.listing().refused[0])


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "long", "huge"])
def test_a_damaged_record_is_named_and_hides_no_other(store: KeyStore, path: Path, damage: str):
    other = record("web2", "alice")
    write(store, other)
    data = (path / FILE).read_bytes()
    changed = {
        "empty": b"",
        "short": data[:-1],
        "flipped": bytes((data[0] ^ 1,)) + data[1:],
        "long": data + b"\0",
        "huge": data + bytes(1_000_000),
    }
    (path / FILE).write_bytes(changed[damage])
    listing = store.listing()
    assert listing.records == (other,)
    (refused,) = listing.refused
    assert str(path / FILE) in str(refused)
    assert "damaged" in str(refused)
    assert "enrol this device again" in str(refused)


def test_a_record_under_the_name_of_another_is_refused(store: KeyStore, path: Path):
    (path / FILE).rename(path / "aaaaaaaaaaaaaaaa.enrolment")
    assert "name of another record" in str(store.listing().refused[0])


def test_a_record_that_is_gone_is_named(store: KeyStore, path: Path):
    (path / FILE).unlink()
    with (
        store.locked(RECORD.record_id, 0, nobody_waits) as locked,
        pytest.raises(KeyStoreError, match=FILE),
    ):
        locked.read()
