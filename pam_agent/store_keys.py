"""edge. The keys under which the store is sealed, as the service manager hands them over.

systemd.exec(5), LoadCredentialEncrypted=: a file for each in the folder $CREDENTIALS_DIRECTORY,
which nobody but the service can read and which is in no swap.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pam_agent.resealing import StoreKeys
from pam_agent.schema import StoreError
from protocol.limits import KEY_LENGTH

KEY_NAME: Final = "bartizan-store.key"
OLD_KEY_NAME: Final = "bartizan-store.old-key"


def from_credentials(environ: Mapping[str, str]) -> StoreKeys:
    """None where there is no credential. Raises StoreError."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return StoreKeys()
    return StoreKeys(_read(Path(folder) / KEY_NAME), _read(Path(folder) / OLD_KEY_NAME))


def _read(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or 'input/output failed'}") from error
    if len(key) != KEY_LENGTH:
        raise StoreError(
            f"credential {path.name}: found {len(key)} bytes, expected {KEY_LENGTH}:"
            " make it with `head -c 32 /dev/urandom`, see bartizan-agent(8), SEALING"
        )
    return key
