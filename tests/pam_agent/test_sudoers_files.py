"""Which of its files sudo takes for unsafe; and names of hosts."""

import os
import socket
from pathlib import Path

import pytest

from pam_agent.host_files import HostFiles
from pam_agent.sudoers_files import of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o440)
    return path


def test_what_everybody_may_write(file: Path) -> None:
    in_folder = of(HostFiles(file.parent))
    assert in_folder.refused("/file") == ""
    assert in_folder.refused("/none") == ""
    file.chmod(0o442)
    assert in_folder.refused("/file") == "writable for everybody"


def test_whose_it_is_counts_on_this_host(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    here = of(HostFiles())
    assert here.refused(str(file)) == ""
    os.chown(file, 0, 1)
    assert here.refused(str(file)) == ""
    file.chmod(0o460)
    assert here.refused(str(file)) == "writable for a group"
    os.chown(file, 0, 0)
    assert here.refused(str(file)) == ""
    os.chown(file, 1, 0)
    assert here.refused(str(file)) == "not root's"
    assert of(HostFiles(file.parent)).refused("/file") == ""


def test_what_is_in_the_folder(file: Path) -> None:
    files = of(HostFiles(file.parent))
    assert files.folder("/") == ["/file"]
    assert (files.text("/file"), files.missing("/file")) == ("text", False)
    assert (files.text("/none"), files.missing("/none")) == (None, True)


def test_the_hosts_short_name(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    assert of(HostFiles(tmp_path)).host == ""
    (tmp_path / "etc/hostname").write_text("web1.example.net\n")
    assert of(HostFiles(tmp_path)).host == "web1"
    assert of(HostFiles()).host == socket.gethostname().partition(".")[0]
