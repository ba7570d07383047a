"""The reference of the configuration is what the code says."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from msgspec import Struct

from daemons.tables import mistakes
from pam_agent.config import parse

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    """docs/reference.py, which is a program and in no package."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    return module


reference = load()


def test_the_files_are_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert reference.main() == 0, "make reference"


def test_what_is_stale_is_named_and_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("docs", "deploy/config"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["reference.py"])
    assert reference.main() == 0
    (tmp_path / "deploy" / "config" / "agent.toml").write_text("# an old one\n")
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert reference.main() == 1
    assert capsys.readouterr().out == (
        "deploy/config/agent.toml: not what the code says: make reference\n"
    )


@pytest.mark.parametrize("name", reference.FILES)
def test_the_sample_changes_nothing_until_something_is_uncommented(name: str) -> None:
    text = (ROOT / "deploy" / "config" / f"{name}.toml").read_text()
    assert tomllib.loads(text) == {}
    uncommented = re.sub(r"^#(?! )", "", text, flags=re.M)
    table = tomllib.loads(uncommented)
    assert mistakes(table, reference.FILES[name]) == []


@pytest.mark.parametrize("name", reference.FILES)
def test_every_key_is_in_both_and_explained(name: str) -> None:
    text = (ROOT / "deploy" / "config" / f"{name}.toml").read_text()
    page = (ROOT / "docs" / f"reference-{name}.md").read_text()
    for table in reference.tables(reference.FILES[name]):
        assert table.text, table.heading
        for key in table.keys:
            assert key.text, f"{table.heading} {key.name}"
            assert f"\n#{key.name} = " in text
            assert f"**`{key.name}`**" in page


def test_the_defaults_of_the_sample_are_the_defaults() -> None:
    text = (ROOT / "deploy" / "config" / "agent.toml").read_text()
    keys = re.findall(r"^#((?:state|socket|admin_socket) = .*)$", text, re.M)
    keys += re.findall(r"^#(\[timers\]\n(?:#.*\n)*)", text, re.M)
    said = re.sub(r"^#(?! )", "", "\n".join(keys), flags=re.M)
    assert parse(said, "sample") == parse("", "default")


class Odd(Struct):
    """All that there is."""

    needed: float
    """It has no default."""
    silent: int = 3


def test_a_key_without_a_docstring_is_seen() -> None:
    (table,) = reference.tables(Odd)
    assert [(key.name, key.text, key.default) for key in table.keys] == [
        ("needed", "It has no default.", None),
        ("silent", "", 3),
    ]
    assert table.keys[0].takes == "a number; needed"
    assert msgspec.structs.fields(Odd)[0].required
