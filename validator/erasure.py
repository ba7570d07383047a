"""edge. Erases enrolments at once, whoever else is using them: for who has to be quick.

Each file is overwritten and removed. On flash, and on file systems that never write in place, the
old bytes may be there all the same, and a backup has what it has: only the host can make a key
worthless for certain.
"""

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from validator.keystore import LOCK, RECORD, TEMPORARY

_NAME: Final = re.compile(f"([a-z2-7]{{16}})({LOCK}|{TEMPORARY}|{RECORD})".replace(".", r"\."))
"""Names of an enrolment's files: its id first. The user's directory may hold other things."""

_MAX_OVERWRITTEN: Final = 65_536
"""Bytes: a record has at most 2 KiB; whatever is so much larger is none, and is only removed."""


@dataclass(frozen=True)
class Erased:
    """How many enrolments are gone, and what could not be removed: each file, and why."""

    enrolments: int
    failed: tuple[str, ...]


def erase(directory: Path, record_ids: Iterable[str] | None = None) -> Erased:
    """Erase the enrolments, or with None all that there are, damaged ones too, and the directory.

    Locks go first, without waiting for them: who holds one then stores nothing any more (see
    `KeyStore._write`). Nothing stops at an error. The directory may be open to others.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return Erased(0, ())
    except OSError as error:
        return Erased(0, (f"{directory}: {error.strerror}",))
    wanted = None if record_ids is None else set(record_ids)
    found = [match for match in map(_NAME.fullmatch, names) if match]
    failed: list[str] = []
    gone = 0
    for suffix in (LOCK, TEMPORARY, RECORD):
        for match in found:
            if match[2] == suffix and (wanted is None or match[1] in wanted):
                try:
                    _erase_file(directory / match[0])
                except OSError as error:
                    failed.append(f"{directory / match[0]}: {error.strerror}")
                else:
                    gone += suffix == RECORD
    with suppress(OSError):
        _make_durable(directory)
    if wanted is None:
        with suppress(OSError):  # somebody else's files may be in it
            directory.rmdir()
    return Erased(gone, tuple(failed))


def _erase_file(path: Path) -> None:
    with suppress(OSError):  # whatever it is, it can be removed
        _overwrite(path)
    with suppress(FileNotFoundError):
        path.unlink()


def _overwrite(path: Path) -> None:
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "wb") as file:
        size = min(os.fstat(file.fileno()).st_size, _MAX_OVERWRITTEN)
        file.write(secrets.token_bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _make_durable(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
