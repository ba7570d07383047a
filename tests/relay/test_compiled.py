"""What is tested is what was meant: the sources, or their compiled form.

`make compiled-test` runs the relay's tests once more with BARTIZAN_COMPILED=1 and the folder of
`make compiled` before the sources.
"""

import importlib.machinery
import importlib.util
import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["bartizan"]["compiled"]


@pytest.mark.parametrize("file", FILES)
def test_a_module_is_imported_in_the_form_that_is_tested(file: str) -> None:
    spec = importlib.util.find_spec(file.removesuffix(".py").replace("/", "."))
    assert spec is not None
    compiled = os.environ.get("BARTIZAN_COMPILED") == "1"
    loader = (
        importlib.machinery.ExtensionFileLoader
        if compiled
        else importlib.machinery.SourceFileLoader
    )
    assert type(spec.loader) is loader
