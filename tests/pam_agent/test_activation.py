"""Sockets of a service manager, against the configuration; the process itself: test_service.py."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from daemons.supervision import Supervision, SupervisionError
from pam_agent.activation import activated
from pam_agent.config import parse
from pam_agent.settings import Config
from protocol.address import UnixAddress


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse(
        f'socket = "{tmp_path}/pam.sock"\nadmin_socket = "{tmp_path}/admin.sock"', "agent.toml"
    )


class Manager:
    """Listens, and hands over duplicates, as numbers that only the receiver closes."""

    def __init__(self) -> None:
        self.listening: list[socket.socket] = []

    def listen(self, path: Path) -> tuple[int, str]:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.listen(1)
        self.listening.append(listening)
        return os.dup(listening.fileno()), path.name


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    for each in manager.listening:
        each.close()


def test_each_socket_is_found_under_its_key(
    config: Config, manager: Manager, tmp_path: Path
) -> None:
    admin, pam = manager.listen(tmp_path / "admin.sock"), manager.listen(tmp_path / "pam.sock")
    found = activated(Supervision(descriptors=(admin, pam)), config)
    assert set(found) == {config.socket, config.admin_socket}
    for path, each in found.items():
        with closing(each):
            assert each.getsockname() == str(path)


def test_the_metrics_socket_is_known_when_it_is_wanted(
    config: Config, manager: Manager, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.sock"
    with pytest.raises(SupervisionError, match=r"metrics\.sock: the service manager listens"):
        activated(Supervision(descriptors=(manager.listen(path),)), config)
    path.unlink()
    wanted = replace(config, metrics=UnixAddress(str(path)))
    with closing(activated(Supervision(descriptors=(manager.listen(path),)), wanted)[path]):
        pass


def test_one_or_none_is_fine(config: Config, manager: Manager) -> None:
    assert activated(Supervision(), config) == {}
    (given,) = activated(Supervision(descriptors=(manager.listen(config.socket),)), config).items()
    with closing(given[1]):
        assert given[0] == config.socket


def test_a_link_on_the_way_is_no_disagreement(
    config: Config, manager: Manager, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    config.socket.symlink_to(tmp_path / "run" / "pam.sock")
    given = manager.listen(tmp_path / "run" / "pam.sock")
    with closing(activated(Supervision(descriptors=(given,)), config)[config.socket]):
        pass


def test_a_disagreement_names_both_sides(config: Config, manager: Manager, tmp_path: Path) -> None:
    good, other = manager.listen(config.socket), manager.listen(tmp_path / "other.sock")
    with pytest.raises(SupervisionError) as caught:
        activated(Supervision(descriptors=(good, other)), config)
    assert str(caught.value).startswith(f"{tmp_path}/other.sock: the service manager listens there")
    assert f'socket = "{config.socket}"' in str(caught.value)
    for descriptor, _ in (good, other):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_the_same_socket_twice_is_refused(config: Config, manager: Manager) -> None:
    one = manager.listen(config.socket)
    two = (os.dup(one[0]), "pam.sock")
    with pytest.raises(SupervisionError, match="hands it over twice"):
        activated(Supervision(descriptors=(one, two)), config)
