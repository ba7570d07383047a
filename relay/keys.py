"""edge. The relay's link key pair, and the file of agents' public keys."""

import base64
import os
import re
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from daemons.opening import at_once
from protocol.limits import KEY_LENGTH

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Agents' names are for logs and quotas, and none can be taken for a local user's `uid:0`."""


class KeyFileError(Exception):
    """A key file cannot be used; the message says which, why and what to do."""


def encode_key(raw: bytes) -> str:
    """Keys in text are standard base64 of 32 bytes."""
    return base64.b64encode(raw).decode("ascii")


def decode_key(text: str) -> bytes:
    """32 bytes. Raises ValueError.

    Two bits of the text's last character say nothing: several texts are the same key. Compare keys.
    """
    raw = base64.b64decode(text, validate=True)
    if len(raw) != KEY_LENGTH:
        raise ValueError("a key has 32 bytes")
    return raw


def create_private_key(path: Path) -> X25519PrivateKey:
    """Write a new private key to a new file, mode 0600. Raises KeyFileError."""
    key = X25519PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(encode_key(key.private_bytes_raw()) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(f"{path}: cannot create the key file: {error.strerror}") from None
    return key


def load_private_key(path: Path) -> X25519PrivateKey:
    """Raises KeyFileError, also when others can read the file."""
    try:
        with open(path, encoding="ascii", errors="replace", opener=at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot read the key file: {error.strerror}; "
            "`bartizan-relay generate-key` makes one"
        ) from None
    if mode & 0o077:
        raise KeyFileError(f"{path}: others can read the private key; chmod 600 it")
    try:
        return X25519PrivateKey.from_private_bytes(decode_key(text.strip()))
    except ValueError:
        raise KeyFileError(f"{path}: expected one line with 32 bytes in base64") from None


def load_agents(path: Path) -> dict[bytes, str]:
    """Agents' link public keys and names: a line `BASE64 NAME` each. Raises KeyFileError."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", opener=at_once) as file:
            text = file.read()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the agents' keys: {error.strerror}") from None
    return parse_agents(text, path)


def parse_agents(text: str, path: Path) -> dict[bytes, str]:
    """What is or will be in the file at `path`. Raises KeyFileError."""
    agents: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        where = f"{path}, line {number}"
        try:
            encoded, name = words
            key = decode_key(encoded)
        except ValueError:
            raise KeyFileError(
                f"{where}: expected `KEY NAME`, as `bartizan-agent link-key` prints it"
            ) from None
        if not NAME.fullmatch(name):
            raise KeyFileError(f"{where}: a name has letters, digits, dots, dashes; at most 64")
        if key in agents or name in agents.values():
            raise KeyFileError(f"{where}: this key or the name {name} occurs twice")
        agents[key] = name
    return agents
