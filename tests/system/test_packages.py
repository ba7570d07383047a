"""The packages as files: what Debian's own critic says of them, and what they bring along."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.packages import FOLDER, ROOT

NAMES = {"bartizan", "bartizan-agent", "bartizan-common", "bartizan-relay", "libpam-bartizan"}


def test_all_are_made_and_lintian_has_nothing_to_say(debs: tuple[Path, ...]) -> None:
    assert {each.name.partition("_")[0] for each in debs} == NAMES
    found = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error,warning", *debs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_sbom_lies_beside_them(debs: tuple[Path, ...]) -> None:
    listed = json.loads((FOLDER / "bartizan.cdx.json").read_text())
    assert {"trio", "cryptography"} <= {each["name"] for each in listed["components"]}


DOCUMENTS = {
    "bartizan": {"users.md"},
    "bartizan-agent": {
        *("check.md", "codes.md", "operator.md", "outcomes.md", "reference-agent.md"),
        *(f"services/{each.name}" for each in (ROOT / "docs/services").glob("*.md")),
    },
    "bartizan-relay": {"operator.md", "outcomes.md", "reference-relay.md", "scaling.md"},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_brings_the_pages_of_who_installs_it(debs: tuple[Path, ...], name: str) -> None:
    (deb,) = [each for each in debs if each.name.startswith(f"{name}_")]
    listed = subprocess.run(
        ["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True
    )
    folder = f"./usr/share/doc/{name}/"
    there = {line.split()[-1].removeprefix(folder) for line in listed.stdout.splitlines()}
    assert there >= DOCUMENTS[name]
