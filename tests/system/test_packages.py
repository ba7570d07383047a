"""The packages as files: what Debian's own critic says of them, and what they bring along."""

import json
import subprocess
from pathlib import Path

from tests.support.packages import FOLDER

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
