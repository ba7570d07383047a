"""edge. `bartizan-relay`: the command line."""

import sys
from pathlib import Path
from typing import Final

import click
import structlog
import trio

from protocol.agent_auth import public_bytes
from relay import config, descriptors, keys, logs, server

EXIT_CONFIG: Final = 2


@click.group()
@click.version_option(package_name="bartizan")
def main() -> None:
    """The blind relay between agents and validators."""


@main.command()
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Configuration file. Default: {config.DEFAULT_FILE} if it exists, else built in.",
)
def serve(file: Path | None) -> None:
    """Relay until SIGTERM."""
    try:
        plan = config.plan(config.load(file))
        listeners = server.open_listeners(plan)
    except config.ConfigError as error:
        click.echo(f"bartizan-relay: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    logs.configure(plan.log)
    needed = descriptors.needed(plan.limits)
    available = descriptors.provide(needed)
    if available < needed:
        structlog.get_logger().warning(
            "few descriptors",
            available=available,
            needed=needed,
            advice="raise the limit of open files (LimitNOFILE=), or lower [limits]",
        )
    trio.run(server.serve_until_signalled, plan, listeners, logs.reporter(plan.log))


@main.command("generate-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def generate_key(file: Path) -> None:
    """Write a new private link key to FILE, and print the public one for agents' configurations."""
    try:
        key = keys.create_private_key(file)
    except keys.KeyFileError as error:
        click.echo(f"bartizan-relay: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    click.echo(keys.encode_key(public_bytes(key)))


@main.command("public-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def public_key(file: Path) -> None:
    """Print the public half of the private link key in FILE."""
    try:
        key = keys.load_private_key(file)
    except keys.KeyFileError as error:
        click.echo(f"bartizan-relay: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    click.echo(keys.encode_key(public_bytes(key)))
