"""Who may put a socket in the place of the agent's."""

import os
from pathlib import Path

import pytest

from daemons.unix_listener import ListenError
from pam_agent.socket_folder import check_folder, replaceable
from tests.support.together import together

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in ("above", "above/own"):
        (tmp_path / each).mkdir(mode=0o755)
    return tmp_path / "above" / "own"


@pytest.fixture
def open_to_all(folder: Path) -> Path:
    folder.chmod(0o777)
    return folder


def found(folder: Path) -> Path | None:
    return replaceable(folder / "pam.sock", os.geteuid())


def test_a_folder_that_only_its_owner_writes_in(folder: Path) -> None:
    assert found(folder) is None
    check_folder(folder / "pam.sock")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_one_that_others_write_in(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert found(folder) == folder
    with pytest.raises(ListenError, match=f"others may write in {folder}"):
        check_folder(folder / "pam.sock")


@pytest.mark.parametrize(("mode", "well"), [(0o777, False), (0o775, False), (0o1777, True)])
def test_and_one_above(folder: Path, mode: int, well: bool) -> None:
    folder.parent.chmod(mode)
    assert found(folder) == (None if well else folder.parent)


@needs_root
@pytest.mark.parametrize("levels", [0, 1])
def test_one_that_is_somebody_elses(folder: Path, levels: int) -> None:
    theirs = folder.parents[levels - 1] if levels else folder
    os.chown(theirs, 1000, 1000)
    assert found(folder) == theirs
    assert replaceable(folder / "pam.sock", 1000) is None, "it is the agent's"


def test_a_link_is_followed_and_stays_where_it_is(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert found(link) is None
    folder.chmod(0o777)
    assert found(link) == folder
    folder.chmod(0o755)
    among = folder.parent / "among others"
    among.mkdir()
    among.chmod(0o1777)
    (among / "link").symlink_to(folder)
    assert found(among / "link") is None, "nobody else removes it"
    among.chmod(0o777)
    assert found(among / "link") == among


def test_a_folder_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ListenError, match="No such file"):
        check_folder(folder / "none" / "pam.sock")


async def test_the_agent_does_not_start_there(open_to_all: Path) -> None:
    with pytest.RaisesGroup(ListenError, flatten_subgroups=True, allow_unwrapped=True):
        async with together(open_to_all):
            pass
