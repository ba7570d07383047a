"""edge. What the tests of the command line do again and again."""

import os
from pathlib import Path
from subprocess import CompletedProcess

from protocol import passcode
from tests.support.direct_agent import Waiting
from validator.keystore import KeyStore
from validator.record import Record

QUESTION = "(Enter denies) "


def put(home: Path, record: Record) -> None:
    with KeyStore(home) as store, store.locked(record.record_id, 0, lambda: None) as locked:
        locked.write(record)


def stored(home: Path) -> tuple[Record, ...]:
    with KeyStore(home) as store:
        return store.listing().records


def files(home: Path) -> list[str]:
    return sorted(os.listdir(home))


def another(waiting: Waiting) -> str:
    code = passcode.generate()
    return code if code != waiting.passcode else another(waiting)


def mistyped(code: str) -> str:
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def out(done: CompletedProcess[bytes]) -> str:
    return done.stdout.decode()


def err(done: CompletedProcess[bytes]) -> str:
    """Standard error as one line, however it was wrapped."""
    return " ".join(done.stderr.decode().split())
