"""Which file libpam takes for a service."""

from pathlib import Path

import pytest

from pam_agent.host_files import HostFiles, Trouble
from pam_agent.pam_files import PamFiles


@pytest.fixture
def pam(tmp_path: Path) -> PamFiles:
    for folder in ("etc/pam.d", "usr/lib/pam.d", "usr/etc/pam.d"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("sudo", "vendor", "gone"):
            if folder != "etc/pam.d" or name == "sudo":
                (tmp_path / folder / name).write_text(f"{folder}\n")
    for name in ("common-auth", "su.dpkg-old", "su"):
        (tmp_path / "etc/pam.d" / name).write_text(name)
    (tmp_path / "etc/pam.d/gone").symlink_to("none")
    (tmp_path / "etc/pam.d/folder").mkdir()
    return PamFiles(HostFiles(tmp_path))


def test_the_first_folder_that_has_it(pam: PamFiles) -> None:
    assert pam.text("sudo") == "etc/pam.d\n"
    assert pam.text("vendor") == pam.text("gone") == "usr/lib/pam.d\n"
    assert pam.text("/usr/etc/pam.d/sudo") == "usr/etc/pam.d\n"
    assert pam.text("none") is pam.text("/none") is pam.text("a\0b") is None


def test_what_is_a_service(pam: PamFiles) -> None:
    assert pam.names() == ["folder", "gone", "su", "sudo", "vendor"]
    assert sorted(pam.troubles(), key=str) == [
        (Path("/etc/pam.d/folder"), Trouble.ODD),
        (Path("/etc/pam.d/gone"), Trouble.GONE),
    ]
    assert pam.closed == []
