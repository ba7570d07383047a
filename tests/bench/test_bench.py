"""`make bench`, in little: that it runs through, and the form of what it writes. Not the speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.contestants import ALL
from bench.figures import OURS

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"ROUNDS": "1", "SIGN_ONS": "400", "WAITING": "1,50", "WHOLE": "3"}


def bench(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.run", *arguments],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    results = tmp_path_factory.mktemp("bench") / "results.json"
    process = bench(results, **QUICK)
    assert process.returncode == 0, process.stderr
    return json.loads(results.read_text()), process.stdout


def test_every_contestant_is_measured(done) -> None:
    results, _ = done
    assert list(results["figures"]) == [c.name for c in ALL]
    for name, figures in results["figures"].items():
        assert {"cpu_us", "user_us", "system_us", "per_second", "p50_us", "p99_us"} <= set(figures)
        for figure in figures.values():
            assert figure["least"] <= figure["median"] <= figure["most"]
        assert figures["cpu_us"]["least"] > 0, name
        assert 0 < figures["p50_us"]["least"] <= figures["p99_us"]["most"]
    assert results["figures"]["direct"]["delay_us"]["median"] == 0


def test_growth_is_measured_for_each_number_that_waits(done) -> None:
    results, _ = done
    assert list(results["growth"]) == ["1", "50"]
    for by_name in results["growth"].values():
        assert set(by_name) == {OURS, "floor_links-16", "floor_pairs", "transit"}
        assert all("bytes_per_waiting" in figures for figures in by_name.values())


def test_the_whole_sign_on_is_measured(done) -> None:
    results, _ = done
    assert results["whole"]["prompt_ms"]["least"] > 0
    assert results["whole"]["result_ms"]["least"] > 0


def test_each_target_stands_beside_what_was_found(done) -> None:
    results, printed = done
    whats = [target["what"] for target in results["targets"]]
    assert whats == [
        "CPU per sign-on, to floor_pairs",
        "CPU per sign-on, to floor_links",
        "CPU per sign-on, to transit",
        "p99 at 64 in flight, to transit's p50",
        "PAM's call to the prompt, ms",
        "approval to PAM's result, ms",
    ]
    for target in results["targets"]:
        assert target["holds"] is (target["found"]["median"] <= target["at_most"])
        assert target["what"] in printed


def test_it_says_where_and_of_what_it_was_measured(done) -> None:
    results, _ = done
    assert results["settings"] == {"rounds": 1, "sign_ons": 400, "waiting": [1, 50], "whole": 3}
    assert {"commit", "date", "machine", "versions", "changed"} <= set(results)
    assert results["versions"]["magic-wormhole-transit-relay"] == "0.5.0"


@pytest.mark.parametrize(
    ("name", "value"), [("ROUNDS", "many"), ("WAITING", "0,10"), ("WAITING", ""), ("SIGN_ONS", "0")]
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    process = bench(**{name: value})
    assert process.returncode != 0
    assert process.stderr.startswith("bench: ")
    assert "Traceback" not in process.stderr
