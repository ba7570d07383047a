"""edge. The machine as it is, for real programs that need no private /etc: `installation` on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.namespace import SystemHost
from tests.support.phone import Phone
from tests.support.programs import BIN, VALIDATION, Device, Installation, enroll, installation
from validator.keystore import KeyStore


@dataclass(frozen=True)
class PlainHost(SystemHost):
    """Its commands run in no namespace; `prefix` comes before each, something that starts it."""

    prefix: tuple[str, ...] = ()

    def command(self, *argv: str | Path) -> list[str]:
        return [*self.prefix, *map(str, argv)]


@dataclass(frozen=True)
class Programs:
    """Relay and agent as processes, and ada's device in the test's own."""

    folder: Path
    parts: Installation
    phone: Phone

    async def phone_of(self, user: str) -> Phone:
        """Another user's device, which is enrolled now."""
        device = Device(self.folder / user)
        config = str(self.folder / "agent.toml")
        command = [str(BIN / "bartizan-agent"), "enroll", user, "--json", "--config", config]
        await enroll(command, device)
        return _phone(device)

    @property
    def validators(self) -> tuple[str, int]:
        """Where the relay takes validators."""
        host, _, port = self.phone.record.relays[0].rpartition(":")
        return host, int(port)


@asynccontextmanager
async def programs(
    folder: Path,
    *,
    validation: float = VALIDATION,
    relay_prefix: tuple[str, ...] = (),
    agent_prefix: tuple[str, ...] = (),
) -> AsyncIterator[Programs]:
    """Everything with state in `folder`; the device was enrolled through the relay.

    The prefixes come before the commands of relay and agent.
    """
    host = PlainHost(folder, folder, agent_prefix)
    async with installation(
        host, folder, validation=validation, relay_prefix=relay_prefix
    ) as parts:
        yield Programs(folder, parts, _phone(parts.device))


def _phone(device: Device) -> Phone:
    with KeyStore(device.folder) as store:
        (record,) = store.listing().records
    return Phone(record, device_id=1)
