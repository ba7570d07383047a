"""edge. `bartizan-agent totp`: an authenticator app for an account, shown once, on a terminal."""

import sys
import time
from pathlib import Path

import click

from daemons.command_line import EXIT_NOT_DONE
from pam_agent.admin_client import ask
from pam_agent.command_line import config_option, errors, fail, user_argument
from pam_agent.config import load
from pam_agent.offer_display import qr_lines
from pam_agent.policy import MOST_TOTP_FAILURES
from pam_agent.qr_screen import can_show, show_qr
from pam_agent.totp_uri import totp_uri, typed_secret
from pam_agent.totp_wire import RemoveTotp, SetTotp, TotpLine, TotpSecret
from protocol.text import clean


@click.command()
@user_argument
@click.option("--remove", is_flag=True, help="Take it away: its codes count no more.")
@click.option("--no-qr", is_flag=True, help="Show the secret to be typed only.")
@config_option
def totp(user: str, remove: bool, no_qr: bool, path: Path | None) -> None:
    """Give USER an authenticator app (TOTP, RFC 6238), for services that allow it.

    The secret is shown once, on a terminal and nowhere else. The app's codes are a fallback for who
    has no device with Bartizan: they show nobody what is approved, and need the right time.
    """
    with errors():
        config = load(path)
        if remove:
            list(ask(config.admin_socket, RemoveTotp(user)))
            click.echo(f"removed: the codes of {user}'s app count no more")
            return
        if not sys.stdout.isatty():
            fail("the secret is shown on a terminal only: run this on one", EXIT_NOT_DONE)
        for reply in ask(config.admin_socket, SetTotp(user)):
            if isinstance(reply, TotpSecret):
                _show(reply.secret, user, config.host, with_qr=not no_qr)


def row(line: TotpLine) -> str:
    """One account's, for people."""
    ended = ", ended by wrong codes" if line.failures >= MOST_TOTP_FAILURES else ""
    since = time.strftime("%Y-%m-%d", time.localtime(line.created))
    return f"{clean(line.account)}: an authenticator app, since {since}{ended}"


def _show(secret: bytes, user: str, host: str, *, with_qr: bool) -> None:
    uri = totp_uri(secret, user, host)
    lines = qr_lines(uri, keep_case=True) if with_qr else []
    if lines and can_show(lines):
        click.echo(f"For {user}: scan this with an authenticator app,\n")
        show_qr(lines)
        click.echo("\nor type there, as a time-based key:\n")
    else:
        click.echo(f"For {user}: type in an authenticator app, as a time-based key:\n")
    click.echo(f"  {typed_secret(secret)}\n")
    click.echo("Whoever sees it has it: clear the screen afterwards. It is not shown again.")
    click.echo("It counts where `methods` names totp, for the service or for this user.")
