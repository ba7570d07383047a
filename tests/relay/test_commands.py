"""The commands that ask or steer a relay, against one that runs as a program."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from daemons.command_line import EXIT_NOT_DONE, EXIT_UNREACHABLE
from relay import keys
from relay.commands import EXIT_CONFIG
from tests.support.patience import PATIENCE
from tests.support.programs import free_port

PROGRAM: Final = Path(sys.executable).parent / "bartizan-relay"
KEY: Final = keys.encode_key(bytes(range(32)))
OTHER: Final = keys.encode_key(bytes(32))


class Bastion:
    """A relay that runs, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "relay.toml"
        self.agents = folder / "relay.agents"
        self.log = folder / "log"
        self.config.write_text(
            f'key = "{folder}/key"\nagents_file = "{self.agents}"\n'
            f'agents = [{{listen = "unix:{folder}/agents.sock"}},'
            f' {{listen = "tcp:127.0.0.1:{free_port()}"}}]\n'
            f'validators = [{{listen = "tcp:127.0.0.1:{free_port()}"}}]\n'
        )
        keys.create_private_key(folder / "key")
        self.agents.write_text(f"# ours\n{OTHER} web0  # the first\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("wb") as log:
            command = [PROGRAM, "serve", "--config", self.config]
            self.process = subprocess.Popen(command, stderr=log)
        self.logs("relay up")

    def logs(self, event: str) -> None:
        until = time.monotonic() + PATIENCE
        while f'"event":"{event}"' not in self.log.read_text():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [PROGRAM, *argv, "--config", self.config]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def bastion(tmp_path: Path) -> Iterator[Bastion]:
    found = Bastion(tmp_path)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def test_probe_and_status(bastion: Bastion) -> None:
    done = bastion.run("probe")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok", "ok"]
    done = bastion.run("status", "--json")
    assert done.returncode == EXIT_NOT_DONE, "no agent is attached"
    status = json.loads(done.stdout.splitlines()[0])
    assert status["requests_ended"] == {"done": 2}
    assert status["links_ended"] == {"closed": 2}
    ids = [
        line["sign_on_id"]
        for line in map(json.loads, bastion.log.read_text().splitlines())
        if "rejects" in line
    ]
    done = bastion.run("why", ids[0])
    assert done.returncode == 0
    assert done.stdout.startswith(f"request {ids[0]} of ")
    done = bastion.run("why", "a" * 13)
    assert done.returncode == EXIT_NOT_DONE
    assert "nothing is known" in done.stdout
    assert bastion.run("why", "no id").returncode == EXIT_CONFIG


def test_a_probe_where_nobody_listens_fails_at_its_step(bastion: Bastion) -> None:
    done = bastion.run("probe", "--validators", f"tcp:127.0.0.1:{free_port()}")
    assert done.returncode == EXIT_NOT_DONE
    assert "pair: cannot connect" in done.stdout
    done = bastion.run("probe", "--agents", "tcp:here")
    assert done.returncode == EXIT_CONFIG
    assert "expected host:port" in done.stderr


def test_the_probes_key_is_good_for_that_time_only(bastion: Bastion) -> None:
    assert bastion.run("probe").returncode == 0
    assert KEY not in bastion.agents.read_text()
    assert bastion.agents.read_text() == f"# ours\n{OTHER} web0  # the first\n"
    status = json.loads(bastion.run("status", "--json").stdout.splitlines()[0])
    assert status["keys"] == 1


def test_agents(bastion: Bastion) -> None:
    done = bastion.run("agents", "add", KEY, "web1")
    assert (done.returncode, done.stdout) == (0, "web1 may attach\n"), done.stderr
    assert bastion.agents.read_text() == f"# ours\n{OTHER} web0  # the first\n{KEY} web1\n"
    assert json.loads(bastion.run("status", "--json").stdout.splitlines()[0])["keys"] == 2
    listed = bastion.run("agents", "list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[OTHER, "web0"], [KEY, "web1"]]
    for argv in (("add", KEY, "web2"), ("add", OTHER, "web1"), ("add", "AAAA", "web2")):
        before = bastion.agents.read_text()
        done = bastion.run("agents", *argv)
        assert done.returncode == EXIT_CONFIG
        assert done.stderr.startswith(f"bartizan-relay: {bastion.agents}")
        assert bastion.agents.read_text() == before
    done = bastion.run("agents", "remove", "web0")
    assert (done.returncode, done.stdout) == (0, f"web0 ({OTHER}) may not attach any more\n")
    assert json.loads(bastion.run("status", "--json").stdout.splitlines()[0])["keys"] == 1
    assert bastion.agents.read_text() == f"# ours\n{KEY} web1\n"
    assert bastion.run("agents", "remove", "web0").returncode == EXIT_CONFIG
    assert [each.name for each in bastion.agents.parent.glob(".relay.agents*")] == []


def test_who_is_removed_is_not_said_to_be_gone_while_the_relay_goes_on_as_before(
    bastion: Bastion,
) -> None:
    text = bastion.config.read_text()
    bastion.config.write_text(text.replace("validators", "[limits]\nlinks = 0\n[[x]]\nvalidators"))
    assert bastion.run("agents", "remove", "web0").returncode == EXIT_CONFIG, "it reads it, too"
    bastion.config.write_text(text.replace(f'"{bastion.config.parent}/key"', '"/none"'))
    done = bastion.run("agents", "remove", "web0")
    assert (done.returncode, done.stdout) == (EXIT_NOT_DONE, "")
    assert "MAY STILL ATTACH: the relay refused its configuration" in done.stderr
    assert "/none: cannot read the key file" in done.stderr
    assert json.loads(bastion.run("status", "--json").stdout.splitlines()[0])["keys"] == 1
    done = bastion.run("agents", "add", KEY, "web1")
    assert (done.returncode, done.stdout) == (EXIT_NOT_DONE, "")
    assert "web1 is in" in done.stderr
    assert "may not attach yet" in done.stderr
    bastion.stop()
    done = bastion.run("agents", "remove", "web1")
    assert done.returncode == 0
    assert "counts from the relay's next start or reload on" in done.stdout


def test_drain(bastion: Bastion) -> None:
    done = bastion.run("drain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "the relay is down"
    assert bastion.process is not None
    assert bastion.process.wait(PATIENCE) == 0
    for argv in (("status",), ("probe",), ("drain",), ("top",)):
        done = bastion.run(*argv)
        assert done.returncode == EXIT_UNREACHABLE, argv
        assert "no relay listens there" in done.stderr
    done = bastion.run("agents", "add", KEY, "web1")
    assert done.returncode == 0
    assert "from the relay's next start or reload on" in done.stdout


def test_top_once(bastion: Bastion) -> None:
    done = bastion.run("top", "--once")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith(" bartizan-relay ")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_puts_the_terminal_back(bastion: Bastion, key: bytes) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [PROGRAM, "top", "--interval", "0.2", "--config", bastion.config]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs) as top:
        shown = until_shown(ours, b"q leaves")
        assert shown.startswith(b"\x1b[?1049h")
        os.write(ours, key)
        assert top.wait(PATIENCE) == 0
    assert until_shown(ours, b"\x1b[?1049l")
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_top_puts_the_terminal_back_when_it_is_stopped(bastion: Bastion) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [PROGRAM, "top", "--config", bastion.config]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs) as top:
        until_shown(ours, b"q leaves")
        top.send_signal(signal.SIGTERM)
        assert top.wait(PATIENCE) == 128 + signal.SIGTERM
    assert until_shown(ours, b"\x1b[?1049l")
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def until_shown(terminal: int, text: bytes) -> bytes:
    shown = b""
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown
