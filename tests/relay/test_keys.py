"""The relay's key file and the file of agents' keys: who may read it, what a line must be."""

import os
import stat
from pathlib import Path

import pytest

from relay import keys
from relay.keys import KeyFileError

KEY = keys.encode_key(bytes(range(32)))
OTHER = keys.encode_key(bytes(range(1, 33)))


def test_a_new_key_is_private_and_can_be_read_back(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        created = keys.create_private_key(tmp_path / "key")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    loaded = keys.load_private_key(tmp_path / "key")
    assert loaded.private_bytes_raw() == created.private_bytes_raw()


def test_no_key_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("precious")
    with pytest.raises(KeyFileError, match=r"key: cannot create the key file: File exists"):
        keys.create_private_key(tmp_path / "key")
    assert (tmp_path / "key").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    keys.create_private_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyFileError, match="others can read the private key; chmod 600"):
        keys.load_private_key(tmp_path / "key")


@pytest.mark.parametrize("text", ["", "key", KEY[:-4], KEY + KEY, "é" * 44, KEY.replace("A", "*")])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(KeyFileError, match="expected one line with 32 bytes in base64") as caught:
        keys.load_private_key(file)
    assert not text or text not in str(caught.value).removeprefix(str(file))


def test_agents_with_comments_and_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "agents"
    mark = "\ufeff"
    """As some editors begin a file."""
    file.write_text(f"{mark}# who may come\n\n  {KEY}   web1.example  # the first\n{OTHER}\tdb-2\n")
    assert keys.load_agents(file) == {
        bytes(range(32)): "web1.example",
        bytes(range(1, 33)): "db-2",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{KEY}\n", "line 1: expected `KEY NAME`"),
        (f"\nweb1 {KEY}\n", "line 2: expected `KEY NAME`"),
        (f"{KEY} web1 web2\n", "line 1: expected `KEY NAME`"),
        (f"{KEY[:-4]} web1\n", "line 1: expected `KEY NAME`"),
        (f"{KEY} web1\n{KEY} web2\n", "line 2: this key or the name web2 occurs twice"),
        (f"{KEY} web1\n{OTHER} web1\n", "line 2: this key or the name web1 occurs twice"),
        (f"{KEY} uid:0\n", "line 1: a name has letters, digits, dots, dashes"),
        (f"{KEY} web\x1b[2J\n", "line 1: a name has"),
        (f"{KEY} {'w' * 65}\n", "line 1: a name has"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "agents"
    file.write_text(text)
    with pytest.raises(KeyFileError) as caught:
        keys.load_agents(file)
    assert str(caught.value).startswith(f"{file}, {message}")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot read the key file: No such file.*generate-key"):
        keys.load_private_key(tmp_path / "none")
    with pytest.raises(KeyFileError, match="cannot read the agents' keys: No such file"):
        keys.load_agents(tmp_path / "none")
