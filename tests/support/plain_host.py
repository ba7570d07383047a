"""edge. The machine as it is, for real programs that need no private /etc: `installation` on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.namespace import SystemHost
from tests.support.phone import Phone
from tests.support.programs import VALIDATION, Installation, installation
from validator.keystore import KeyStore


class PlainHost(SystemHost):
    """Its commands run in no namespace."""

    def command(self, *argv: str | Path) -> list[str]:
        return [str(word) for word in argv]


@dataclass(frozen=True)
class Programs:
    """Relay and agent as processes, and ada's device in the test's own."""

    parts: Installation
    phone: Phone

    @property
    def validators(self) -> tuple[str, int]:
        """Where the relay takes validators."""
        host, _, port = self.phone.record.relays[0].rpartition(":")
        return host, int(port)


@asynccontextmanager
async def programs(folder: Path, *, validation: float = VALIDATION) -> AsyncIterator[Programs]:
    """Everything with state in `folder`; the device was enrolled through the relay."""
    async with installation(PlainHost(folder, folder), folder, validation=validation) as parts:
        with KeyStore(parts.device.folder) as store:
            (record,) = store.listing().records
        yield Programs(parts, Phone(record, device_id=1))
