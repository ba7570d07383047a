"""The real sshd answers for a block as it does for a connection that meets it."""

import subprocess
from pathlib import Path

import pytest

from pam_agent import sshd_asked
from pam_agent.check_sshd import parse
from pam_agent.host_files import HostFiles
from pam_agent.sshd_asked import Sshd
from pam_agent.sshd_config import NotAskedError
from tests.support.sshd_apart import host_key, sshd_apart

SETTINGS = """\
Include /etc/ssh/sshd_config.d/*.conf
HostKey {key}
MaxSessions 1
Match User ada,bob
  MaxSessions 2
  Banner /two
Match User cy Address 10.0.0.0/8
  MaxSessions 3
  Include nested
Match LocalPort 22
  MaxSessions 4
"""
"""Whatever two blocks a connection meets, another one of these says so."""
FILES = {
    "sshd_config.d/a.conf": "Match User dee\n  MaxSessions 5\n",
    "sshd_config.d/b.conf": "Banner /b\n",
    "nested": "Match Host h\n  Banner /nested\n",
}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    monkeypatch.setattr(sshd_asked, "SSHD", str(sshd_apart(tmp_path)))
    for name, text in {**FILES, "sshd_config": SETTINGS.format(key=host_key(tmp_path))}.items():
        file = tmp_path / "etc/ssh" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Sshd.of(HostFiles(tmp_path))


CONNECTIONS = {
    "Match User ada,bob": "user=bob,host=x,addr=1.2.3.4,lport=5",
    "Match User cy Address 10.0.0.0/8": "user=cy,host=x,addr=10.2.3.4,lport=5",
    "Match Host h": "user=cy,host=h,addr=10.2.3.4,lport=5",
    "Match LocalPort 22": "user=x,host=x,addr=1.2.3.4,lport=22",
    "Match User dee": "user=dee,host=h,addr=1.2.3.4,lport=5",
}


def test_a_block_comes_to_what_it_does_for_who_meets_it(asked: Sshd, tmp_path: Path) -> None:
    """Of sshd itself, for a file whose own Include names where its files lie."""
    folder = tmp_path / "etc/ssh"
    text = (folder / "sshd_config").read_text().replace("Include /etc/ssh", f"Include {folder}")
    real = tmp_path / "real"
    real.write_text(text.replace("Include nested", f"Include {folder}/nested"))
    assert asked.tree is not None
    alone = [each for each in asked.tree.questions() if len(each.blocks) == 1]
    assert {str(each.blocks[0]) for each in alone} == CONNECTIONS.keys()
    for question in alone:
        connection = CONNECTIONS[str(question.blocks[0])]
        command = [sshd_asked.SSHD, "-T", "-f", str(real), "-C", f"{connection},laddr=1.1.1.1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert parse(asked.where(question.on)) == parse(done.stdout), question


def test_what_applies_to_all(asked: Sshd) -> None:
    settings = parse(asked.for_all())
    assert (settings["maxsessions"], settings["banner"]) == ("1", "/b")


def test_what_sshd_does_not_like_is_told_by_its_own_place(asked: Sshd, tmp_path: Path) -> None:
    (tmp_path / "etc/ssh/sshd_config.d/b.conf").write_text("\nNo such\n")
    again = Sshd.of(HostFiles(tmp_path))
    with pytest.raises(NotAskedError, match=r"^/etc/ssh/sshd_config\.d/b\.conf: line 2: ") as told:
        again.for_all()
    assert told.value.refused


def test_a_list_of_methods_that_are_off(asked: Sshd, tmp_path: Path) -> None:
    off = "AuthenticationMethods publickey,keyboard-interactive\nKbdInteractiveAuthentication no\n"
    (tmp_path / "etc/ssh/sshd_config.d/b.conf").write_text(off)
    with pytest.raises(NotAskedError, match="cannot be satisfied") as told:
        Sshd.of(HostFiles(tmp_path)).for_all()
    assert told.value.refused


def test_a_host_without_keys_is_not_refused(asked: Sshd, tmp_path: Path) -> None:
    (tmp_path / "host_key").unlink()
    with pytest.raises(NotAskedError, match="no hostkeys available") as told:
        asked.for_all()
    assert not told.value.refused


def test_an_sshd_that_is_not_there(asked: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_asked, "SSHD", "/none/sshd")
    with pytest.raises(NotAskedError, match="No such file"):
        asked.for_all()


def test_an_sshd_that_hangs(asked: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sshd_asked, "SSHD", str(hanging))
    monkeypatch.setattr(sshd_asked, "PATIENCE", 0.2)
    with pytest.raises(NotAskedError, match="timed out"):
        asked.for_all()


def test_an_sshd_that_says_nothing(asked: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_asked, "SSHD", "/bin/false")
    with pytest.raises(NotAskedError, match="it says nothing"):
        asked.for_all()
