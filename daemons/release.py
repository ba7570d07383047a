"""edge. The version of what is installed, read once while there are descriptors for it."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("bartizan")
