"""edge. Commands that ask or steer the running relay.

Exit codes: 0 done, or well; 1 not done (a sign-on that is not known, a probe that failed), or not
well (`status`: draining, or no agent attached); 2 the configuration or the command line is bad;
4 no relay answers.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import click
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from daemons.admin_client import RefusedError, UnreachableError, ask_daemon
from daemons.command_line import (
    EXIT_NOT_DONE,
    fail,
    failing,
    json_option,
    show,
    sign_on_id_argument,
)
from daemons.report import span
from daemons.supervision import SupervisionError
from protocol.address import AddressError, TcpAddress, UnixAddress, parse, written
from protocol.agent_auth import public_bytes
from relay import agents_file, config
from relay.admin_wire import (
    AgentLine,
    Draining,
    Go,
    Listening,
    Reload,
    Reply,
    Request,
    ShowStatus,
    Unknown,
    Why,
    decode_reply,
)
from relay.admin_wire import Drain as AskDrain
from relay.admin_wire import Probe as AskProbe
from relay.keys import KeyFileError, encode_key, load_agents
from relay.probe import Probe, ProbeError
from relay.report import is_well, status_lines, story_lines
from relay.top import watch

PROGRAM: Final = "bartizan-relay"
EXIT_CONFIG: Final = 2

config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Configuration file. Default: {config.DEFAULT_FILE} if it exists, else built in.",
)


_CODES: Final[Mapping[type[Exception], int]] = dict.fromkeys(
    (config.ConfigError, KeyFileError, SupervisionError), EXIT_CONFIG
)


def errors() -> AbstractContextManager[None]:
    """What can go wrong, as lines on standard error and an exit code."""
    return failing(PROGRAM, _CODES)


def ask(file: Path | None, request: Request, patience: float | None = 30.0) -> Iterator[Reply]:
    """Of the relay that has this configuration. Raises ConfigError, and as ask_daemon does."""
    path = Path(config.load(file).admin_socket)
    return ask_daemon("relay", path, request, decode_reply, patience)


@click.command()
@json_option
@config_option
def status(as_json: bool, file: Path | None) -> None:
    """Show how the relay is: its requests, links, ends since it started, and whom it refuses."""
    with errors():
        replies = list(ask(file, ShowStatus()))
    show(replies, status_lines(replies, time.time()), as_json=as_json)
    if not is_well(replies):
        sys.exit(EXIT_NOT_DONE)


@click.command()
@sign_on_id_argument
@json_option
@config_option
def why(sign_on_id: str, as_json: bool, file: Path | None) -> None:
    """Tell what happened to a sign-on at this relay, and what the agent may say of it."""
    with errors():
        replies = list(ask(file, Why(sign_on_id)))
    show(replies, story_lines(sign_on_id, replies), as_json=as_json)
    if any(isinstance(reply, Unknown) for reply in replies):
        sys.exit(EXIT_NOT_DONE)


@click.command()
@config_option
def drain(file: Path | None) -> None:
    """Stop the relay as SIGINT does: no new requests, and the end when no transaction runs."""
    with errors():
        replies = ask(file, AskDrain(), patience=None)
        for reply in replies:
            if isinstance(reply, Draining):
                click.echo(f"draining: {reply.running} run, for {reply.seconds:g} s at most")
                break
        # The connection ends with the relay.
        with contextlib.suppress(UnreachableError):
            list(replies)
    click.echo("the relay is down")


@click.command()
@click.option("--agents", metavar="ADDRESS", help="Attach there: unix:/path or tcp:host:port.")
@click.option("--validators", metavar="ADDRESS", help="Connect there: tcp:host:port.")
@config_option
def probe(agents: str | None, validators: str | None, file: Path | None) -> None:
    """Pair with itself through every listener of the running relay, as a sign-on would."""
    key = X25519PrivateKey.generate()
    listening: list[Listening] = []
    with errors():
        for reply in ask(file, AskProbe(public_bytes(key))):
            if isinstance(reply, Listening) and not reply.by_proxy:
                listening.append(reply)
            if isinstance(reply, Go):
                ways = [
                    Probe(*way, key, reply.relay)
                    for way in _ways(
                        [agents] if agents else _of("agents", listening),
                        [validators] if validators else _of("validators", listening),
                    )
                ]
                good = [_probed(way) for way in ways]
                if not all(good):
                    sys.exit(EXIT_NOT_DONE)
                return


def _of(who: str, listening: list[Listening]) -> list[str]:
    """Addresses that can be connected to without a proxy."""
    found = [each.address for each in listening if each.who == who]
    if not found:
        fail(
            PROGRAM, f"every listener for {who} is behind a proxy: say --{who} ADDRESS", EXIT_CONFIG
        )
    return found


def _ways(
    agents: list[str], validators: list[str]
) -> list[tuple[TcpAddress | UnixAddress, TcpAddress]]:
    """Pairs in which each address occurs."""
    ways: list[tuple[TcpAddress | UnixAddress, TcpAddress]] = []
    for number in range(max(len(agents), len(validators))):
        one, other = agents[number % len(agents)], validators[number % len(validators)]
        try:
            address = parse(other)
            if isinstance(address, UnixAddress):
                raise AddressError("expected tcp:host:port")  # noqa: TRY301
            ways.append((parse(one), address))
        except AddressError as error:
            fail(PROGRAM, f"--agents {one} --validators {other}: {error}", EXIT_CONFIG)
    return ways


def _probed(way: Probe) -> bool:
    through = f"agents {written(way.agents)}, validators {written(way.validators)}"
    try:
        trio.run(way.run)
    except ProbeError as error:
        click.echo(f"FAILED  {through}: {error}")
        return False
    took = ", ".join(f"{step} {1000 * seconds:.1f}" for step, seconds in way.steps.items())
    click.echo(f"ok      {through}: {took} ms")
    return True


@click.group()
def agents() -> None:
    """The agents that may attach by TCP: the file agents_file."""


@agents.command("add")
@click.argument("key")
@click.argument("name")
@config_option
def add(key: str, name: str, file: Path | None) -> None:
    """Let the agent with KEY attach, as NAME: the line that `bartizan-agent link-key` prints."""
    with errors():
        path = Path(config.load(file).agents_file)
        agents_file.add(path, key, name)
        _reloaded(file, f"{name} is in {path}", "may not attach yet")
        click.echo(f"{name} may attach")


@agents.command("remove")
@click.argument("name")
@config_option
def remove(name: str, file: Path | None) -> None:
    """Let the agent called NAME attach no more; its link ends."""
    with errors():
        path = Path(config.load(file).agents_file)
        key = agents_file.remove(path, name)
        _reloaded(file, f"{name} ({key}) is out of {path}", "MAY STILL ATTACH")
        click.echo(f"{name} ({key}) may not attach any more")


@agents.command("list")
@config_option
def list_agents(file: Path | None) -> None:
    """List the agents that may attach by TCP, and since when they are attached."""
    with errors():
        known = load_agents(Path(config.load(file).agents_file))
        try:
            replies = list(ask(file, ShowStatus()))
        except UnreachableError:
            click.echo("note: no relay answers, so it is not known who is attached", err=True)
            replies = []
    now = time.time()
    up = {each.agent: span(now - each.since) for each in replies if isinstance(each, AgentLine)}
    for key, name in sorted(known.items(), key=lambda each: each[1]):
        attached = f"up for {up[name]}" if name in up else "not attached" if replies else "?"
        click.echo(f"{encode_key(key)} {name:<24} {attached}")


def _reloaded(file: Path | None, done: str, otherwise: str) -> None:
    """Returns if the relay goes by the agents' file now. Else ends the command: by `done`, where no
    relay answers, and with an error where one goes on as before."""
    try:
        list(ask(file, Reload()))
    except UnreachableError as error:
        click.echo(f"{done}, which counts from the relay's next start or reload on: {error}")
        sys.exit()
    except RefusedError as error:
        fail(
            PROGRAM,
            f"{done}, but {otherwise}: the relay refused its configuration and goes on by the old"
            f" one: {error}",
            EXIT_NOT_DONE,
        )


@click.command()
@click.option("--once", is_flag=True, help="Show it once, as text, and end.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 60),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@config_option
def top(once: bool, interval: float, file: Path | None) -> None:
    """Watch the relay: what waits and runs, outcomes per minute, who is refused, every agent."""
    with errors():
        watch(lambda: list(ask(file, ShowStatus())), interval, once=once)


COMMANDS: Final = (status, why, drain, probe, agents, top)
