"""Who may write where the agent listens, and what it is told; and names that nobody has."""

import os
from pathlib import Path

import pytest

from pam_agent import check_host
from pam_agent.check_finding import Finding
from pam_agent.check_trust import configuration, names, sockets
from pam_agent.config import parse
from pam_agent.settings import Config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc/agent.toml").write_text("")
    (tmp_path / "etc/agent.toml").chmod(0o644)
    return tmp_path


def config(folder: Path, more: str = "") -> Config:
    text = f'host = "web1"\nstate = "{folder}/state"\nsocket = "{folder}/run/pam.sock"\n'
    return parse(f'{text}admin_socket = "{folder}/run/admin.sock"\n{more}', "agent.toml")


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.word, each.where) for each in found]


def test_sockets_in_a_folder_of_their_own(folder: Path) -> None:
    assert list(sockets(config(folder))) == []
    (folder / "run").rmdir()
    assert list(sockets(config(folder))) == []  # said elsewhere


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_sockets_where_others_write(folder: Path, mode: int) -> None:
    (folder / "run").chmod(mode)
    expected = ("socket-replaceable", str(folder / "run"))
    assert said(list(sockets(config(folder)))) == [expected, expected]
    (folder / "run").chmod(0o755)
    folder.chmod(0o777)
    assert said(list(sockets(config(folder))))[0] == ("socket-replaceable", str(folder))
    folder.chmod(0o700)


def test_the_agents_own_folder_is_its_users(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    os.chown(folder / "run", 1, 1)
    assert len(list(sockets(config(folder)))) == 2
    (folder / "state").mkdir()
    os.chown(folder / "state", 1, 1)
    assert list(sockets(config(folder))) == []


def test_the_configuration(folder: Path) -> None:
    file = folder / "etc/agent.toml"
    assert list(configuration(file, config(folder))) == []
    assert list(configuration(folder / "none", config(folder))) == []
    for mode in (0o666, 0o664):
        file.chmod(mode)
        found = list(configuration(file, config(folder)))
        assert said(found) == [("config-writable", str(file))]
    file.chmod(0o644)
    (folder / "etc").chmod(0o777)
    found = list(configuration(file, config(folder)))
    assert said(found) == [("config-writable", str(folder / "etc"))]


def test_a_configuration_of_somebody_elses(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    file = folder / "etc/agent.toml"
    os.chown(file, 1, 0)
    found = list(configuration(file, config(folder)))
    assert said(found) == [("config-writable", str(file))]


def test_names_that_nobody_has(folder: Path) -> None:
    table = "[services.{}]\nusers = [{}]\ngroups = [{}]\n"
    good = table.format("sudo", '"root"', '"root"')
    bad = table.format("sshd", '"root", "no-such-user"', '"no-such-group"')
    assert said(list(names(config(folder, good + bad)))) == [
        ("name-unknown", "/etc/bartizan/agent.toml: [services.sshd] users"),
        ("name-unknown", "/etc/bartizan/agent.toml: [services.sshd] groups"),
    ]


def test_without_an_agent_no_account_has_totp(folder: Path) -> None:
    assert not check_host.has_totp(config(folder))
