"""The manual page names every key, limit, default, outcome word and event, as the code has them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from daemons.log_settings import Log
from relay.cli import main
from relay.config_file import AgentsListener, Config, Metrics, ValidatorsListener
from relay.limits import Limits
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.socket_options import SocketOptions
from relay.tally import MAX_REMEMBERED

PAGE: Final = Path(__file__).parents[2] / "docs" / "man" / "bartizan-relay.8"


def section(title: str) -> dict[str, str]:
    """Tags and texts of the `.TP` paragraphs under a heading."""
    text = PAGE.read_text().replace("\\-", "-")
    [part] = re.findall(
        rf'^\.S[SH] "?{re.escape(title)}"?\n(.*?)(?=^\.S[SH]|\Z)', text, re.M | re.S
    )
    paragraphs = [each.partition("\n") for each in re.split(r"^\.TP\n", part, flags=re.M)[1:]]
    return {tag.removeprefix(".B ").strip('"'): rest for tag, _, rest in paragraphs}


@pytest.mark.parametrize(
    ("title", "struct"),
    [
        ("[[agents]]", AgentsListener),
        ("[[validators]]", ValidatorsListener),
        ("[log]", Log),
        ("[metrics]", Metrics),
        ("[limits]", Limits),
        ("[sockets]", SocketOptions),
    ],
)
def test_every_key_of_a_table_is_there(title: str, struct: type[msgspec.Struct]) -> None:
    assert list(section(title)) == list(struct.__struct_fields__)


def test_every_other_key_is_there() -> None:
    tables = {"agents", "validators", "limits", "sockets", "log", "metrics"}
    assert set(section("CONFIGURATION")) == set(Config.__struct_fields__) - tables


@pytest.mark.parametrize(
    ("title", "field"),
    [
        pytest.param(title, field, id=field.name)
        for title, struct in (("[limits]", Limits), ("[sockets]", SocketOptions))
        for field in msgspec.structs.fields(struct)
    ],
)
def test_every_default_is_the_real_one(title: str, field: msgspec.structs.FieldInfo) -> None:
    [default] = re.findall(r"Default ([0-9.]+?)(?=[:;,.]?(?:\s|$))", section(title)[field.name])
    assert float(default) == field.default


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("request ended", RequestOutcome),
        ("validator ended", ValidatorOutcome),
        ("link up, link ended", LinkOutcome),
    ],
)
def test_every_outcome_is_explained(
    title: str, words: type[RequestOutcome | ValidatorOutcome | LinkOutcome]
) -> None:
    assert list(section(title)) == [word.value for word in words]


def test_every_command_is_there() -> None:
    known = set(main.commands) - {"agents"}
    known |= {f"agents {name}" for name in main.commands["agents"].commands}  # type: ignore[attr-defined]
    tags = (tag.removeprefix(".BI ").lstrip('"') for tag in section("COMMANDS"))
    assert {tag.partition('"')[0].strip() for tag in tags} == known


def test_the_number_that_is_remembered_is_the_real_one() -> None:
    [why] = [text for tag, text in section("COMMANDS").items() if "why" in tag]
    assert f"last {MAX_REMEMBERED:,} requests" in why


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(PAGE)], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
