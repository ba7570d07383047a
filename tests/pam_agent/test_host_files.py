"""A host's files, read as its own programs find them, and nothing that makes a reader wait."""

import os
from pathlib import Path

import pytest

from pam_agent.host_files import MAX_FILE, HostFiles, Trouble

FILE = Path("/etc/a")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/etc/d").mkdir(parents=True)
    (tmp_path / "root/real").write_text("of that host")
    (tmp_path / "real").write_text("of this host")
    return tmp_path / "root"


@pytest.mark.parametrize(
    "target", ["/real", "../real", "/etc/../real", "../../../../real", "d/../../real"]
)
def test_links_stay_under_the_root(root: Path, target: str) -> None:
    (root / "etc/a").symlink_to(target)
    assert HostFiles(root).read(FILE) == "of that host"
    assert HostFiles(root).status(FILE) == (root / "real").stat()


def test_so_does_a_folder_that_is_a_link(root: Path) -> None:
    (root / "etc/real").symlink_to("/real")
    (root / "link").symlink_to("/etc")
    assert HostFiles(root).read(Path("/link/real")) == "of that host"
    assert HostFiles(root).matching("/link/re*") == [Path("/link/real")]


def test_what_leads_nowhere_is_gone(root: Path) -> None:
    files = HostFiles(root)
    (root / "etc/loop").symlink_to("/etc/loop")
    (root / "etc/dangling").symlink_to(root.parent / "real")  # this host's, and so not there
    for name in ("loop", "dangling", "none", "loop/b", "d/none", "zero\0", "x" * 300):
        assert files.read(Path("/etc") / name) is Trouble.GONE, name
        assert files.text(Path("/etc") / name) is None
        assert files.status(Path("/etc") / name) is None
    assert files.matching("/etc/loop/*") == []


@pytest.mark.parametrize("folder", ["root", "this"])
def test_nothing_waits(root: Path, folder: str) -> None:
    os.mkfifo(root / "etc/pipe")
    base, files = (root, HostFiles()) if folder == "this" else (Path("/"), HostFiles(root))
    assert files.read(base / "etc/pipe") is Trouble.ODD
    assert files.read(base / "etc/d") is Trouble.ODD


def test_a_file_that_is_far_too_large(root: Path) -> None:
    (root / "etc/a").write_bytes(b"x" * MAX_FILE)
    assert HostFiles(root).read(FILE) == "x" * MAX_FILE
    (root / "etc/a").write_bytes(b"x" * (MAX_FILE + 1))
    assert HostFiles(root).read(FILE) is Trouble.ODD


def test_what_may_not_be_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "etc/a").write_text("x")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root would be let in
    assert HostFiles(root).read(FILE) is Trouble.CLOSED


def test_patterns_are_in_order_and_of_folders_too(root: Path) -> None:
    for name in ("d/b.conf", "d/a.conf", "d/.c.conf", "d/x"):
        (root / "etc" / name).write_text("")
    expected = [Path("/etc/d/a.conf"), Path("/etc/d/b.conf")]
    assert HostFiles(root).matching("/etc/d/*.conf") == expected
    assert HostFiles(root).matching("/etc/?/*.conf") == expected
    assert HostFiles(root).matching("/etc/d/x") == [Path("/etc/d/x")]
    assert HostFiles(root).matching("/etc/d/none") == []
    assert HostFiles(root).matching("/re*") == [Path("/real")]
    here = [root / "etc/d/a.conf", root / "etc/d/b.conf"]
    assert HostFiles().matching(f"{root}/etc/d/*.conf") == here
