"""edge. What the command line shows to people: an enrolment's steps, a table of devices."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import click

from pam_agent import alias_command, breakglass_command, methods_command, totp_command
from pam_agent.admin_wire import DeviceLine
from pam_agent.administration_wire import AliasLine, BreakGlassLine, MethodsLine
from pam_agent.enrolment_events import Compare, Enrolled, EnrolmentFailure, Offered
from pam_agent.methods import Method
from pam_agent.offer_display import qr_lines, typed_lines
from pam_agent.qr_screen import can_show, show_qr
from pam_agent.service_policy import Secret, ServicePolicy
from pam_agent.settings import Config
from pam_agent.totp_wire import TotpLine
from protocol.address import written
from protocol.text import clean

FAILURES: Final = {
    EnrolmentFailure.UNAVAILABLE: "no relay could be reached: see the agent's log",
    EnrolmentFailure.EXPIRED: "no device came in time",
    EnrolmentFailure.NOT_PROVED: "a device came and did not prove its key: try again",
    EnrolmentFailure.TOO_MANY_DEVICES: "the account has as many devices as it can: revoke one",
    EnrolmentFailure.STORE: "the agent's store failed: see its log",
}

_HEADINGS: Final = ("ACCOUNT", "NO", "DEVICE", "STATE", "ENROLLED", "LAST USED")
_SECONDS_PER_MINUTE: Final = 60


def show_event(event: Offered | Compare | Enrolled, user: str, *, with_qr: bool) -> None:
    match event:
        case Offered():
            _show_offer(event, user, with_qr)
        case Compare():
            digits = f"{event.digits[:3]} {event.digits[3:]}"
            click.echo(f"{clean(event.device_name)} is here.")
            click.echo(f"Approve there only if it shows the same digits: {digits}")
        case Enrolled():
            click.echo(f"enrolled: {clean(event.device_name)} for {user}")
            click.echo(f"If its digits were others: bartizan-agent revoke {user}")


def _show_offer(offer: Offered, user: str, with_qr: bool) -> None:
    lines = qr_lines(offer.uri) if with_qr else []
    if lines and can_show(lines):
        click.echo(f"For {user}: scan this with Bartizan on the device,\n")
        show_qr(lines)
        click.echo("\nor type there:\n")
    else:
        click.echo(f"For {user}: type on the device:\n")
    for line in typed_lines(offer.uri):
        click.echo(f"  {line}")
    minutes = max(0, round((offer.expires - time.time()) / _SECONDS_PER_MINUTE))
    click.echo(f"\nWorks once, for {minutes} minutes. Waiting; Ctrl-C makes it void.")


def device_table(lines: Sequence[DeviceLine]) -> Iterator[str]:
    """Rows in columns as wide as needed; nothing for no device."""
    if not lines:
        return
    rows = [_HEADINGS, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def administration_rows(lines: Sequence[object]) -> Iterator[str]:
    """Under the devices, what else there is to say of accounts; nothing when there is nothing."""
    rows: list[str] = []
    for line in lines:
        match line:
            case AliasLine():
                rows.append(f"name         {alias_command.row(line)}")
            case MethodsLine():
                rows.append(f"methods      {methods_command.row(line)}")
            case TotpLine():
                rows.append(f"totp         {totp_command.row(line)}")
            case BreakGlassLine():
                rows.append(f"BREAK-GLASS  {breakglass_command.row(line)}")
    yield from ("", *rows) if rows else ()


def config_summary(config: Config) -> Iterator[str]:
    """What a configuration comes to, of which an operator may have meant something else."""
    yield f"  host    {config.host}"
    yield f"  state   {config.state}"
    yield f"  socket  {config.socket}"
    for relay in config.relays:
        validators = ", ".join(str(each) for each in relay.validators)
        yield f"  relay   {written(relay.link)}, devices reach it at {validators}"
    for name, policy in config.services.items():
        yield f"  service {name}: {', '.join(_service(policy))}"


def _service(policy: ServicePolicy) -> Iterator[str]:
    """What a service is given, in phrases."""
    yield policy.display
    yield from (method for method in Method if method in policy.methods)
    if Method.CODE in policy.methods and not policy.first_factor:
        yield "no code unless PAM says what went before (first_factor is not set)"
    if policy.secret is Secret.TAIL:
        yield "behind the password's last comma"
    if policy.lease:
        yield f"a lease of {policy.lease:g} s"
    if not policy.for_everybody:
        yield f"only for {', '.join(sorted(policy.users | policy.groups))}"
    timers = policy.timers
    yield f"at most {timers.queue + timers.validation + timers.acknowledgement:g} s"


def _row(line: DeviceLine) -> tuple[str, ...]:
    return (
        clean(line.account),
        str(line.device_id),
        clean(line.name),
        line.state,
        _when(line.created),
        _when(line.last_used),
    )


def _when(seconds: int) -> str:
    """Local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "never"
