"""edge. What several commands have in common: options, and the user's key store."""

import os
from pathlib import Path
from typing import Final

import click

from validator.keystore import KeyStore, location
from validator.limits import LOCK_SECONDS

LOG_OPTION: Final = click.option(
    "--log-json",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BARTIZAN_LOG",
    metavar="FILE",
    help="Append one line of JSON about the sign-on: its id, outcome and times. No secrets.",
)
USER_OPTION: Final = click.option("--user", help="The user, where a host has several.")
WAIT_OPTION: Final = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=LOCK_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another sign-on of this device at the same host.",
)


def user_store() -> KeyStore:
    """Raises KeyStoreError."""
    return KeyStore(location(os.environ, Path.home()))
