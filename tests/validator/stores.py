"""edge. What the tests of the key store do again and again."""

import multiprocessing
import secrets
from dataclasses import replace
from pathlib import Path

from protocol.ratchet import Generation
from tests.validator.pairs import record
from validator.keystore import KeyStore
from validator.record import Record

RECORD = record("web1", "alice")


FILE = RECORD.record_id + ".enrolment"


def nobody_waits() -> None:
    raise AssertionError("the lock was not free")


def write(store: KeyStore, new: Record) -> None:
    with store.locked(new.record_id, 0, nobody_waits) as locked:
        locked.write(new)


def read(path: Path, record_id: str = RECORD.record_id) -> Record:
    with KeyStore(path) as store, store.locked(record_id, 0, nobody_waits) as locked:
        return locked.read()


def following(old: Record, number: int = 1) -> Record:
    return replace(
        old, generation=Generation(old.generation.number + number, secrets.token_bytes(32))
    )


def in_child(work, *arguments: object) -> int:
    """Run `work` in a process of its own; its exit status, negative for a signal."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
