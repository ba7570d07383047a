"""edge. The user's directory of enrolments: refused when others can read it, never half written.

One file a record, named by the record's id, and beside it the file that its lock is on. All names
are looked up from the open directory, so nobody can swap it between check and use.
"""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from validator.errors import BusyError, KeyStoreError
from validator.limits import LOCK_POLL_SECONDS
from validator.record import MAX_RECORD, DamagedError, Record

RECORD: Final = ".enrolment"
LOCK: Final = ".lock"
TEMPORARY: Final = ".tmp"
"""How the names of an enrolment's files end, behind its id."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SAFE: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def location(environment: Mapping[str, str], home: Path) -> Path:
    """The key store's directory: BARTIZAN_HOME, or `bartizan` in the user's data directory.

    A relative XDG_DATA_HOME is ignored, as the XDG base directory specification demands.
    """
    if chosen := environment.get("BARTIZAN_HOME"):
        return Path(chosen)
    data = Path(environment.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else home / ".local" / "share") / "bartizan"


@dataclass(frozen=True)
class Listing:
    """What the store holds: the records, and for each file that cannot be used the reason."""

    records: tuple[Record, ...]
    refused: tuple[KeyStoreError, ...]


class KeyStore:
    """The open directory. Every method raises KeyStoreError."""

    def __init__(self, path: Path) -> None:
        """Create the directory (0700) when it is missing, and check that it is the user's own."""
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFE)
        except OSError as error:
            self._fail(path, error)
        try:
            self._check(path, os.fstat(self._directory))
        except KeyStoreError:
            os.close(self._directory)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._directory)

    def listing(self) -> Listing:
        """All records; one that cannot be used does not hide the others."""
        records: list[Record] = []
        refused: list[KeyStoreError] = []
        for name in sorted(os.listdir(self._directory)):
            if name.endswith(RECORD):
                try:
                    records.append(self._read(name.removesuffix(RECORD)))
                except KeyStoreError as error:
                    refused.append(error)
        return Listing(tuple(records), tuple(refused))

    @contextmanager
    def locked(
        self, record_id: str, wait: float, waiting: Callable[[], None]
    ) -> Iterator["LockedRecord"]:
        """Hold the enrolment's lock, on which other processes wait.

        `wait` in seconds, then BusyError; `waiting` is called once when the lock is not free.
        """
        lock = self._lock(record_id, wait, waiting)
        try:
            yield LockedRecord(self, record_id, lock)
        finally:
            os.close(lock)

    def _lock(self, record_id: str, wait: float, waiting: Callable[[], None]) -> int:
        name = record_id + LOCK
        give_up = time.monotonic() + wait
        told = False
        while True:
            try:
                lock = os.open(name, os.O_RDWR | os.O_CREAT | _SAFE, 0o600, dir_fd=self._directory)
            except OSError as error:
                self._fail(self._path / name, error)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever forgot the enrolment has removed the lock's file under our hands.
                if self._same_file(lock, name):
                    return lock
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    os.close(lock)
                    raise BusyError from None
                if not told:
                    told = True
                    waiting()
                time.sleep(LOCK_POLL_SECONDS)
            except OSError as error:
                self._fail(self._path / name, error)
            os.close(lock)

    def _same_file(self, descriptor: int, name: str) -> bool:
        try:
            named = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(descriptor), named)

    def _read(self, record_id: str) -> Record:
        name = record_id + RECORD
        path = self._path / name
        try:
            descriptor = os.open(name, os.O_RDONLY | _SAFE, dir_fd=self._directory)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                self._check(path, status)
                if not stat.S_ISREG(status.st_mode):
                    raise KeyStoreError(f"{path} is no ordinary file: remove it.")
                data = file.read(MAX_RECORD + 1)
            record = Record.decode(data)
        except OSError as error:
            self._fail(path, error)
        except DamagedError as error:
            raise KeyStoreError(
                f"{path} cannot be used: {error}. Remove the file and enrol this device again."
            ) from None
        if record.record_id != record_id:
            raise KeyStoreError(f"{path} has the name of another record: restore its name.")
        return record

    def _write(self, record: Record, lock: int) -> None:
        """Durable when it returns; whatever happens before, the old record or the new one stays.

        Not after somebody has erased the enrolment, and the lock's file before all: to look once
        before and once behind leaves no moment in which the record could come back.
        """
        self._check_lock(record, lock)
        name = record.record_id + RECORD
        temporary = record.record_id + TEMPORARY
        try:
            self._remove(temporary)
            descriptor = os.open(
                temporary,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE,
                0o600,
                dir_fd=self._directory,
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(record.encode())
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            os.fsync(self._directory)
        except OSError as error:
            with suppress(OSError):
                self._remove(temporary)
            self._fail(self._path / name, error)
        self._check_lock(record, lock)

    def _check_lock(self, record: Record, lock: int) -> None:
        if not self._same_file(lock, record.record_id + LOCK):
            self._forget(record.record_id)
            raise KeyStoreError(
                f"{self._path / (record.record_id + RECORD)} was erased meanwhile, "
                "and nothing is stored any more."
            )

    def _forget(self, record_id: str) -> None:
        try:
            for suffix in (RECORD, TEMPORARY, LOCK):
                self._remove(record_id + suffix)
            os.fsync(self._directory)
        except OSError as error:
            self._fail(self._path / (record_id + RECORD), error)

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)

    @staticmethod
    def _check(path: Path, status: os.stat_result) -> None:
        if status.st_uid != os.geteuid():
            raise KeyStoreError(
                f"{path} belongs to another user (uid {status.st_uid}): "
                "it must be your own, or name another directory in BARTIZAN_HOME."
            )
        if status.st_mode & _OTHERS:
            raise KeyStoreError(
                f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}): "
                f"whoever could read it can sign on as you. Run: chmod go= '{path}'"
            )

    @staticmethod
    def _fail(path: Path, error: OSError) -> NoReturn:
        if path.is_symlink():
            raise KeyStoreError(
                f"{path} is a symbolic link: the key store must be the real thing."
            ) from None
        raise KeyStoreError(f"{path} cannot be used: {error.strerror}.") from None


class LockedRecord:
    """An enrolment whose lock this process holds."""

    def __init__(self, store: KeyStore, record_id: str, lock: int) -> None:
        self._store = store
        self._record_id = record_id
        self._lock = lock

    def read(self) -> Record:
        return self._store._read(self._record_id)

    def write(self, record: Record) -> None:
        self._store._write(record, self._lock)

    def forget(self) -> None:
        """Remove all files of the enrolment."""
        self._store._forget(self._record_id)
