"""Whether the module's file is there."""

from pathlib import Path

import pytest

from pam_agent.check_module import judge
from pam_agent.host_files import HostFiles
from pam_agent.pam_files import PamFiles

SECURITY = "usr/lib/x86_64-linux-gnu/security"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "etc/pam.d/sudo", "auth required pam_bartizan.so\n")
    write(tmp_path, "etc/pam.d/su", "auth include sudo\n")
    (tmp_path / "lib").symlink_to("/usr/lib")
    return tmp_path


def write(root: Path, name: str, text: str = "") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)
    return file


def said(root: Path) -> list[tuple[str, str, str]]:
    found = judge(["su", "sudo"], PamFiles(HostFiles(root)))
    return [(each.word, each.where, each.wrong.partition(":")[0]) for each in found]


def test_where_libpam_is_not_seen_nothing_is_said(root: Path) -> None:
    assert said(root) == []
    write(root, f"{SECURITY}/pam_other.so")
    assert said(root) == []


def test_beside_libpams_own_modules(root: Path) -> None:
    write(root, f"{SECURITY}/pam_permit.so")
    (missing,) = said(root)
    assert missing[:2] == ("no-module", "/etc/pam.d/sudo:1")
    assert f"/{SECURITY}/pam_bartizan.so" in missing[2]
    write(root, "usr/lib/security/pam_bartizan.so")
    assert len(said(root)) == 1  # nobody looks there
    file = write(root, f"{SECURITY}/pam_bartizan.so")
    assert said(root) == []
    file.chmod(0o640)
    ((_, _, wrong),) = said(root)
    assert wrong.startswith("programs of other users may not read /")
    file.unlink()
    file.mkdir()
    assert said(root) == [missing]


def test_a_module_that_is_named_by_its_path(root: Path) -> None:
    write(root, "etc/pam.d/sudo", "auth required /opt/pam_bartizan.so\n")
    assert said(root) == [
        ("no-module", "/etc/pam.d/sudo:1", "there is no module /opt/pam_bartizan.so")
    ]
    write(root, "opt/pam_bartizan.so")
    assert said(root) == []


def test_a_line_elsewhere(root: Path) -> None:
    write(root, "etc/pam.d/su", "auth include /srv/pam\n")
    write(root, "srv/pam", "\nauth required /opt/pam_bartizan.so\n")
    assert [each[1] for each in said(root)] == ["/srv/pam:2"]
