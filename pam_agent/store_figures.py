"""pure. How much there is in the store."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreFigures:
    """Devices by how they stand; `size` in bytes, of the file; how many break-glasses are open."""

    accounts: int = 0
    active: int = 0
    disabled: int = 0
    unproved: int = 0
    size: int = 0
    break_glass: int = 0
