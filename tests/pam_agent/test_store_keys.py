from pathlib import Path

import pytest

from pam_agent.resealing import StoreKeys
from pam_agent.schema import StoreError
from pam_agent.store_keys import KEY_NAME, OLD_KEY_NAME, from_credentials

KEY, OLD = b"\x5a" * 32, b"\xa5" * 32


@pytest.mark.parametrize("environ", [{}, {"CREDENTIALS_DIRECTORY": ""}])
def test_without_a_service_manager_there_is_no_key(environ: dict[str, str]) -> None:
    assert from_credentials(environ) == StoreKeys()


def test_credentials_are_read(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert from_credentials(environ) == StoreKeys()
    (tmp_path / KEY_NAME).write_bytes(KEY)
    assert from_credentials(environ) == StoreKeys(KEY)
    (tmp_path / OLD_KEY_NAME).write_bytes(OLD)
    assert from_credentials(environ) == StoreKeys(KEY, old=OLD)
    (tmp_path / KEY_NAME).unlink()
    assert from_credentials(environ) == StoreKeys(old=OLD)


def test_no_key_is_shown() -> None:
    assert "Z" not in repr(StoreKeys(KEY, old=OLD))


@pytest.mark.parametrize("name", [KEY_NAME, OLD_KEY_NAME])
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(tmp_path: Path, name: str, length: int) -> None:
    (tmp_path / name).write_bytes(bytes(length))
    with pytest.raises(StoreError, match=f"{name}: found {length} bytes, expected 32: make it"):
        from_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / KEY_NAME).mkdir()
    with pytest.raises(StoreError, match=f"{KEY_NAME}: Is a directory"):
        from_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)})
