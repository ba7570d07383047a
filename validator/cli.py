"""edge. The program `bartizan`: its commands, options and exit codes."""

import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from protocol.sign_on_uri import SignOnUriError, decode, is_sign_on_uri
from protocol.signon_messages import Verdict
from validator import (
    enroll_command,
    offers_input,
    pin_command,
    respond_command,
    sign_on_command,
    ticket_command,
)
from validator.attempt import TimelineLog
from validator.erase_command import erase
from validator.errors import BusyError, KeyStoreError
from validator.export_command import export
from validator.forget_command import forget
from validator.hosts_command import hosts
from validator.options import LOG_OPTION, USER_OPTION, WAIT_OPTION, user_store
from validator.outcomes import ExitCode
from validator.sign_on_command import Request
from validator.terminal import Terminal
from validator.unlock import new_pin


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bartizan", prog_name="bartizan")
def program() -> None:
    """Sign on at a host by approving it on this device."""


@program.command()
@click.argument("codes", nargs=-1, metavar="[URI]...")
@click.option(
    "--codes",
    "codes_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read the codes from FILE: text with any number of them.",
)
@click.option("--name", metavar="DEVICE", help="What the host calls this device. [host name]")
@click.option("--pin", is_flag=True, help="Ask for a PIN, which every sign-on then needs.")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts that trust the code's way here.")
@LOG_OPTION
def enroll(
    codes: tuple[str, ...],
    codes_file: Path | None,
    name: str | None,
    pin: bool,
    yes: bool,
    log_path: Path | None,
) -> int:
    """Enrol this device with the codes that hosts show.

    A code is a secret until it is used. Leave URI out and it is asked for, or give - to read codes
    from standard input: what is on a command line, other users of this device can see.
    """
    terminal = Terminal()
    if not yes and not terminal.interactive:
        raise click.UsageError("there is no terminal to confirm on: give --yes, or use one")
    with TimelineLog(log_path) as log:
        offers = offers_input.read(codes, codes_file, terminal)
        chosen = new_pin(terminal) if pin else None
        with user_store() as store:
            way = enroll_command.Way(name or socket.gethostname(), yes, chosen)
            return enroll_command.enroll_all(offers, way, store, terminal, log)


@program.command("sign-on")
@click.argument("host", required=False)
@click.argument("passcode", nargs=-1)
@USER_OPTION
@click.option("--approve", is_flag=True, help="Approve without asking. For scripts.")
@click.option("--deny", is_flag=True, help="Deny without asking.")
@click.option("--report", is_flag=True, help="Deny without asking, and alarm the administrator.")
@click.option("--reason", default="", metavar="TEXT", help="What the administrator is to read.")
@WAIT_OPTION
@LOG_OPTION
def sign_on(
    host: str | None,
    passcode: tuple[str, ...],
    user: str | None,
    approve: bool,
    deny: bool,
    report: bool,
    reason: str,
    wait: float,
    log_path: Path | None,
) -> int:
    """See who is signing on at HOST, and approve or deny it.

    HOST is the label of an enrolled host, or its beginning. PASSCODE is what the host shows. What
    is left out is asked for. In place of both: what the QR code says that some hosts show.
    """
    given = {Verdict.APPROVE: approve, Verdict.DENY: deny, Verdict.REPORT: report}
    verdicts = [verdict for verdict, chosen in given.items() if chosen]
    if len(verdicts) > 1:
        raise click.UsageError("give one of --approve, --deny and --report")
    verdict = verdicts[0] if verdicts else None
    request = Request(*_scanned(host, "".join(passcode)), user, verdict, reason, wait)
    with TimelineLog(log_path) as log, user_store() as store:
        return sign_on_command.sign_on(request, store, Terminal(), log)


def _scanned(host: str | None, passcode: str) -> tuple[str | None, str]:
    """Host and passcode, also out of a URI. Raises click.UsageError."""
    if host is None or not is_sign_on_uri(host):
        return host, passcode
    if passcode:
        raise click.UsageError("this code holds the passcode: give no other")
    try:
        return decode(host)
    except SignOnUriError as error:
        raise click.UsageError(f"{error}. Nothing was sent.") from None


@program.command()
@click.argument("host", required=False)
@click.argument("passcode", nargs=-1)
@USER_OPTION
@click.option("--remove", is_flag=True, help="No PIN any more.")
@WAIT_OPTION
@LOG_OPTION
def pin(
    host: str | None,
    passcode: tuple[str, ...],
    user: str | None,
    remove: bool,
    wait: float,
    log_path: Path | None,
) -> int:
    """Set, change or remove the PIN of the enrolment at HOST, with a sign-on there.

    HOST and PASSCODE as for sign-on.
    """
    request = Request(*_scanned(host, "".join(passcode)), user, None, "", wait)
    with TimelineLog(log_path) as log, user_store() as store:
        return pin_command.change(request, remove, store, Terminal(), log)


@program.command()
@click.argument("host", required=False)
@click.argument("passcode", nargs=-1)
@USER_OPTION
def respond(host: str | None, passcode: tuple[str, ...], user: str | None) -> int:
    """Compute the response to PASSCODE, without a network.

    It is typed at HOST, at the prompt that shows the passcode. HOST and PASSCODE as for sign-on.
    """
    with user_store() as store:
        where, code = _scanned(host, "".join(passcode))
        respond_command.respond(where, code, user, store, Terminal())
    return 0


@program.command()
@click.argument("place", metavar="SERVICE@HOST")
@USER_OPTION
@WAIT_OPTION
def ticket(place: str, user: str | None, wait: float) -> int:
    """Make a one-time password for a service that can show nothing, without a network."""
    with user_store() as store:
        ticket_command.make(place, user, wait, store, Terminal())
    return 0


for command in (hosts, forget, erase, export):
    program.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code; whatever goes wrong has words and no traceback."""
    code = _run(arguments)
    _leave()
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return int(program.main(arguments, prog_name="bartizan", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _leave()
        _complain("Given up: nothing was sent or changed.")
        return ExitCode.INTERRUPTED
    except BusyError:
        _complain(
            "Another sign-on of this device at the same host has not ended. Nothing was sent."
        )
        return ExitCode.INTERRUPTED
    except KeyStoreError as error:
        _complain(str(error))
        return ExitCode.KEY_STORE


def _leave() -> None:
    """Ctrl-C pressed once more, on the way out, must not make another end of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _complain(text: str) -> None:
    Terminal().complain(*text.splitlines())
