"""edge. The compiled relay: with BARTIZAN_COMPILED=1 in the environment, the modules that a sign-on
passes through become C extensions, by mypyc, and lie beside their sources in what is built.

    BARTIZAN_COMPILED=1 pip wheel --no-deps --no-build-isolation .

pyproject.toml says which modules and why, and all else about the project.
"""

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup


def extensions() -> list[Extension]:
    if os.environ.get("BARTIZAN_COMPILED") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415  a tool of development

    settings = tomllib.loads(Path("pyproject.toml").read_text())
    modules = settings["tool"]["bartizan"]["compiled"]
    made: list[Extension] = mypycify(modules, group_name="bartizan", target_dir="build/mypyc")
    for extension in made:
        # What modules do not export to Python may be called directly, or inlined.
        extension.extra_compile_args += ["-fvisibility=hidden"]
    return made


setup(ext_modules=extensions())
