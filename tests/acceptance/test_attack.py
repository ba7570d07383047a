"""`make attack SHORT=1`: strangers come as fast as this machine can make them, of each kind, and
honest people sign on meanwhile. What must hold is asserted by the program itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bench.attack import ROUNDS, SHORT
from bench.attack_figures import GROWTH
from bench.strangers import waves

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 240.0
"""Several times what it takes."""


def measured(file: Path) -> tuple[dict[str, Any], str]:
    """The results, and what was printed."""
    process = subprocess.run(
        [sys.executable, "-m", "bench.attack", file],
        cwd=ROOT,
        env=os.environ | {"SHORT": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = process.stdout + process.stderr
    assert file.exists(), said
    return json.loads(file.read_text()), said


def failed(results: dict[str, Any]) -> list[str]:
    return [each["what"] for each in results["criteria"] if not each["holds"]]


def test_honest_people_sign_on_under_attack(tmp_path: Path) -> None:
    """Something else on the machine may hold everybody up for a second, but not each time: a time
    that is too long is measured once more."""
    results, said = measured(tmp_path / "attack.json")
    if failed(results) == [GROWTH]:
        results, said = measured(tmp_path / "again.json")
    assert not failed(results), said
    assert results["attacked"]["sign_ons"] == SHORT.sign_ons
    expected = [each.name for each in waves(SHORT.many)] * ROUNDS
    assert [wave["strangers"] for wave in results["waves"]] == expected
    for wave in results["waves"]:
        came = wave["attack"]
        assert came["connected"] / came["seconds"] > 1000, wave  # or it was no attack
        if not wave["strangers"].startswith("resets"):
            assert came["put_out"] > 0, wave
    assert results["memory_limit"] == 256 << 20
    assert {"commit", "date", "machine", "versions"} <= set(results)
