"""Every seed and every input that fuzzing has found, through its target; no fuzzer is needed."""

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.place import FOUND, HARNESSES, PYTHON, TARGETS, C, found, seeds
from tests.fuzz.running import build

Once = Callable[[bytes], None]


def once(target: str) -> Once:
    function: Once = importlib.import_module(f"tests.fuzz.targets.{target}").once
    return function


@pytest.mark.parametrize("target", PYTHON)
def test_a_target(target: str) -> None:
    inputs = {f"seed {number}": seed for number, seed in enumerate([b"", *seeds(target)])}
    inputs |= {path.name: path.read_bytes() for path in found(target)}
    for name, data in inputs.items():
        try:
            once(target)(data)
        except Exception as error:
            error.add_note(f"the input of {target}: {name}")
            raise


@pytest.mark.parametrize("target", C)
def test_the_module(target: str, tmp_path: Path) -> None:
    program = build(target, "cc", "address,undefined", HARNESSES / "replay.c", folder=tmp_path)
    files = found(target)
    for number, seed in enumerate([b"", *seeds(target)]):
        files.append(tmp_path / f"{number:03}")
        files[-1].write_bytes(seed)
    done = subprocess.run([program, *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == [str(path) for path in files]


def test_every_folder_is_of_a_target() -> None:
    assert {path.name for path in FOUND.glob("*")} <= set(TARGETS)
