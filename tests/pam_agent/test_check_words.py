"""docs/check.md knows every word that `check` says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "check.md").read_text()
SOURCES = [
    *(ROOT / "pam_agent").glob("check*.py"),
    *(ROOT / "pam_agent" / name for name in ("stack_findings.py", "module_options.py")),
]
SAID = re.compile(r"(?:\b(?:mistake|note|unchecked|_wrong|too_short)|yield )\(\s*\"([a-z-]+)\"")


def test_words() -> None:
    said = {word for path in SOURCES for word in SAID.findall(path.read_text())}
    table = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    documented = {word for row in table for word in re.findall(r"`([a-z-]+)`", row)}
    assert documented == said
