"""Changes of the file of agents' keys: what is said to be added or gone is, and nothing else is."""

import os
from pathlib import Path

import pytest

from relay import agents_file, keys
from relay.keys import KeyFileError

KEY = bytes(range(32))
TEXT, OTHER = keys.encode_key(KEY), keys.encode_key(bytes(32))
ALIKE = TEXT[:-2] + chr(ord(TEXT[-2]) + 1) + "="
"""The same key: the bits that differ say nothing."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "relay.agents"
    file.write_text(f"# ours\n{OTHER} web0  # the first\n")
    return file


def test_a_key_has_several_texts() -> None:
    assert ALIKE != TEXT
    assert keys.decode_key(ALIKE) == KEY


@pytest.mark.parametrize("named", ["web1", TEXT, ALIKE])
@pytest.mark.parametrize("there", [TEXT, ALIKE])
def test_who_is_removed_is_gone_however_the_key_is_written(
    file: Path, there: str, named: str
) -> None:
    before = file.read_text()
    file.write_text(f"{before}  {there}\tweb1 # {TEXT}\n#{there} web1\n")
    assert agents_file.remove(file, named) == TEXT
    assert keys.load_agents(file) == {bytes(32): "web0"}
    assert file.read_text() == f"{before}#{there} web1\n"


def test_a_key_is_added_as_it_is_always_written(file: Path) -> None:
    agents_file.add(file, ALIKE, "web1")
    assert file.read_text().endswith(f"# the first\n{TEXT} web1\n")
    with pytest.raises(KeyFileError, match="occurs twice"):
        agents_file.add(file, ALIKE, "web2")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (f"#{TEXT}", "web1"),
        ("", ""),
        (TEXT, ""),
        (TEXT, f"web1\n{OTHER} evil"),
        (TEXT, "web1\n"),
        (TEXT, "web2 # x"),
        (f"{TEXT} evil\n{TEXT}", "web1"),
        (TEXT[:-4], "web1"),
    ],
)
def test_what_is_no_key_or_no_name_changes_nothing(file: Path, key: str, name: str) -> None:
    before = file.read_text()
    with pytest.raises(KeyFileError, match="nothing added"):
        agents_file.add(file, key, name)
    assert file.read_text() == before


def test_who_is_not_there_cannot_be_removed(file: Path) -> None:
    for name in ("web1", TEXT, OTHER[:-1], ""):
        with pytest.raises(KeyFileError, match=r"no agent .* there; known are web0"):
            agents_file.remove(file, name)


def test_a_link_stays_one_and_comments_stay_as_they_are(file: Path, tmp_path: Path) -> None:
    comment = b"# caf\xe9\n"
    file.write_bytes(comment)
    link = tmp_path / "link"
    link.symlink_to(file)
    agents_file.add(link, TEXT, "web1")
    assert link.is_symlink()
    assert file.read_bytes() == comment + f"{TEXT} web1\n".encode()
    agents_file.remove(link, "web1")
    assert link.is_symlink()
    assert file.read_bytes() == comment
    assert sorted(os.listdir(tmp_path)) == ["link", "relay.agents"]
