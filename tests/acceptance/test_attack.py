"""`make attack SHORT=1`: strangers come as fast as this machine can make them, of each kind, and
honest people sign on meanwhile. What must hold is asserted by the program itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.attack import ROUNDS, SHORT
from bench.strangers import waves

ROOT: Final = Path(__file__).resolve().parents[2]


def test_honest_people_sign_on_under_attack(tmp_path: Path) -> None:
    file = tmp_path / "attack.json"
    process = subprocess.run(
        [sys.executable, "-m", "bench.attack", file],
        cwd=ROOT,
        env=os.environ | {"SHORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    results = json.loads(file.read_text())
    assert all(each["holds"] for each in results["criteria"])
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
