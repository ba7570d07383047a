"""edge. Changes the file of agents' keys: whole or not at all, comments kept.

A relay that reads it meanwhile sees the old file or the new one.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemons.opening import at_once
from relay.keys import NAME, KeyFileError, decode_key, encode_key, parse_agents

_HEADER = "# Agents that may attach by TCP: a line `KEY NAME` each, as `bartizan-agent link-key`.\n"

_AS_IT_IS = "surrogateescape"
"""What is not UTF-8 in a comment stays what it is."""


def add(path: Path, key: str, name: str) -> None:
    """Raises KeyFileError, also for a key or a name that is there already."""
    try:
        written = encode_key(decode_key(key))
    except ValueError:
        raise KeyFileError(
            f"{path}: nothing added: KEY has to be 32 bytes in base64, as `bartizan-agent link-key`"
            " prints it"
        ) from None
    if not NAME.fullmatch(name):
        raise KeyFileError(
            f"{path}: nothing added: NAME has to be letters, digits, dots, dashes; at most 64"
        )
    with _locked(path):
        text = _read(path)
        gap = "\n" if text and not text.endswith("\n") else ""
        _replace(path, f"{text or _HEADER}{gap}{written} {name}\n")


def remove(path: Path, name: str) -> str:
    """Its key. `name` is a name or a key. Raises KeyFileError when there is none."""
    with _locked(path):
        text = _read(path)
        known = parse_agents(text, path)
        named = [key for key, own in known.items() if name == own or _is_key(name, key)]
        if not named:
            raise KeyFileError(
                f"{path}: no agent {name} there; known are {', '.join(known.values()) or 'none'}"
            )
        (key,) = named
        lines = text.splitlines(keepends=True)
        _replace(path, "".join(x for x in lines if key not in parse_agents(x, path)))
        return encode_key(key)


def _is_key(text: str, key: bytes) -> bool:
    try:
        return decode_key(text) == key
    except ValueError:
        return False


def _read(path: Path) -> str:
    """Nothing when there is no file yet."""
    try:
        with open(path, encoding="utf-8-sig", errors=_AS_IT_IS, opener=at_once) as file:
            return file.read()
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
    path = path.resolve()  # a link stays one
    try:
        old = path.stat() if path.exists() else None
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors=_AS_IT_IS) as file:
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
