"""edge. `bartizan-relay`: the command line."""

import gc
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import structlog
import trio

from daemons import logs, systemd
from daemons.descriptor_store import DescriptorStore
from protocol.agent_auth import public_bytes
from relay import activation, budget, config, descriptors, keys, service
from relay.commands import COMMANDS, config_option, errors
from relay.message_ids import JOURNAL_FORM

YOUNG: Final = 20_000
"""Objects until the garbage collector looks at them. A sign-on leaves no cycle behind, so all that
it finds is what still waits: a few hundred sign-ons' worth at a time cost next to nothing."""


@click.group()
@click.version_option(package_name="bartizan")
def main() -> None:
    """The blind relay between agents and validators."""


@main.command()
@config_option
def serve(file: Path | None) -> None:
    """Relay until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    with errors():
        told = systemd.take()
        plan = config.plan(config.load(file))
        found = activation.given(told)
        listeners = activation.open_listeners(plan, found)
    book = logs.configure(plan.log, JOURNAL_FORM)
    plan = _fitted(plan)
    gc.freeze()  # what is there now stays
    gc.set_threshold(YOUNG)
    trio.run(
        service.run,
        plan,
        lambda: config.plan(config.load(file)),
        _fitted,
        systemd.Manager(told),
        DescriptorStore(told),
        found,
        listeners,
        book,
    )


def _fitted(plan: config.Plan) -> config.Plan:
    """With limits for which there are descriptors."""
    needed = budget.needed(plan.limits)
    available = descriptors.provide(needed)
    limits = budget.fit(plan.limits, available)
    lowered = budget.lowered(plan.limits, limits)
    if lowered:
        structlog.get_logger().warning(
            "few descriptors",
            available=available,
            needed=needed,
            lowered=lowered,
            advice="raise the limit of open files (LimitNOFILE=), or lower these [limits]",
        )
    return replace(plan, limits=limits, lowered=lowered)


@main.command("check-config")
@config_option
def check_config(file: Path | None) -> None:
    """Say what is wrong with the configuration and the files it names. Opens no socket."""
    with errors():
        plan = config.plan(config.load(file))
    for listener in plan.listeners:
        who = "validators" if listener.trusted is None else "agents"
        click.echo(f"{who}: {listener.address}")
    click.echo(f"agents' keys: {len(plan.agents)}")


@main.command("generate-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def generate_key(file: Path) -> None:
    """Write a new private link key to FILE, and print the public one for agents' configurations."""
    with errors():
        key = keys.create_private_key(file)
    click.echo(keys.encode_key(public_bytes(key)))


@main.command("public-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def public_key(file: Path) -> None:
    """Print the public half of the private link key in FILE."""
    with errors():
        key = keys.load_private_key(file)
    click.echo(keys.encode_key(public_bytes(key)))


for _command in COMMANDS:
    main.add_command(_command)
