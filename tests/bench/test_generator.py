"""The load generator against the floors, and against relays that do it wrong."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.contestants import ALL, Contestant, running
from bench.generator import Generator, GeneratorError, start_generator
from bench.process import cpu, memory
from bench.programs import build_programs

FLOORS = [c for c in ALL if c.kind not in {"bartizan", "transit"}]
TAG = 16
CONTEXT = 2 + 1584


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    build_programs()


@pytest.mark.parametrize("contestant", FLOORS, ids=lambda c: c.name)
def test_every_sign_on_goes_through(contestant: Contestant, tmp_path: Path) -> None:
    with running(contestant, tmp_path) as relay:
        run = relay.generator.run(300, 32)
        assert run.sign_ons == 300
        assert 0 < run.exchange_us.p50 <= run.exchange_us.p99 <= run.exchange_us.max
        assert run.exchange_us.max <= run.whole_us.max <= run.seconds * 1e6
        assert cpu(relay.pid).total > 0


@pytest.mark.parametrize("name", ["floor_pairs", "floor_links-16"])
def test_requests_wait_in_the_background(name: str, tmp_path: Path) -> None:
    (contestant,) = [c for c in ALL if c.name == name]
    with running(contestant, tmp_path) as relay:
        before = memory(relay.pid)
        relay.generator.wait(3000)
        assert memory(relay.pid) > before + 3000 * TAG
        assert relay.generator.run(100, 16).sign_ons == 100


def test_a_frame_that_is_lost_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        _pairs(lambda data: b"" if len(data) == CONTEXT else data) as generator,
        pytest.raises(GeneratorError),
    ):
        generator.run(1, 1, still=0.2)
    assert "nothing moved for 200 ms, with 1 sign-ons to go" in capfd.readouterr().err


def test_a_byte_that_is_changed_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    with _pairs(_with_another_last_byte) as generator, pytest.raises(GeneratorError):
        generator.run(1, 1)
    assert "arrived as another" in capfd.readouterr().err


def test_a_connection_that_is_cut_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    def cut(data: bytes) -> bytes:
        if len(data) == CONTEXT:
            raise ConnectionAbortedError
        return data

    with _pairs(cut) as generator, pytest.raises(GeneratorError):
        generator.run(1, 1)
    assert "of sign-on 256 ended before frame" in capfd.readouterr().err


def _with_another_last_byte(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


@contextlib.contextmanager
def _pairs(change: Callable[[bytes], bytes]) -> Iterator[Generator]:
    """A generator, and a relay for one sign-on that passes on what `change` makes of each piece."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        relay = threading.Thread(target=_relay_one, args=(listener, change))
        relay.start()
        with start_generator("pairs", listener.getsockname()[1], []) as generator:
            yield generator
        relay.join()


def _relay_one(listener: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with listener.accept()[0] as agent, listener.accept()[0] as validator:
        for end in (agent, validator):
            assert len(end.recv(TAG, socket.MSG_WAITALL)) == TAG
        to_agent = threading.Thread(target=_copy, args=(validator, agent, lambda data: data))
        to_agent.start()
        _copy(agent, validator, change)
        to_agent.join()


def _copy(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(change(data))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
