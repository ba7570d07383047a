"""edge. Changes the file of agents' keys: whole or not at all, comments kept.

A relay that reads it meanwhile sees the old file or the new one.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.keys import KeyFileError, encode_key, parse_agents

_HEADER = "# Agents that may attach by TCP: a line `KEY NAME` each, as `bartizan-agent link-key`.\n"


def add(path: Path, key: str, name: str) -> None:
    """Raises KeyFileError, also for a key or a name that is there already."""
    with _locked(path):
        text = _read(path)
        gap = "\n" if text and not text.endswith("\n") else ""
        _replace(path, f"{text or _HEADER}{gap}{key} {name}\n")


def remove(path: Path, name: str) -> str:
    """Its key. `name` is a name or a key. Raises KeyFileError when there is none."""
    with _locked(path):
        text = _read(path)
        known = {own: encode_key(key) for key, own in parse_agents(text, path).items()}
        named = [(own, key) for own, key in known.items() if name in (own, key)]
        if not named:
            raise KeyFileError(
                f"{path}: no agent {name} there; known are {', '.join(known) or 'none'}"
            )
        ((_, key),) = named
        lines = text.splitlines(keepends=True)
        _replace(path, "".join(line for line in lines if line.split("#")[0].split()[:1] != [key]))
        return key


def _read(path: Path) -> str:
    """Nothing when there is no file yet."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the agents' keys: {error.strerror}") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else changes it: two additions at once are two additions."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeyFileError(f"{path.parent}: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    """With another file of the same owner and mode. One that would be no good is not written."""
    parse_agents(text, path)
    try:
        old = path.stat() if path.exists() else None
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(descriptor, 0o644 if old is None else old.st_mode & 0o777)
                if old is not None:
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fsync(descriptor)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        _sync(path.parent)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot write the agents' keys: {error.strerror}") from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
