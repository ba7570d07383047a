"""docs/check.md knows every word that `check` says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "check.md").read_text()
SOURCES = [*(ROOT / "pam_agent").glob("check*.py"), ROOT / "pam_agent" / "stack_findings.py"]
SAID = re.compile(
    r"\b(?:mistake|note|unchecked|_wrong|too_short)\(\s*\"([a-z-]+)\"|\bmistake\(\"([a-z-]+)\""
)


def test_words() -> None:
    said = {one or other for path in SOURCES for one, other in SAID.findall(path.read_text())}
    table = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    documented = {word for row in table for word in re.findall(r"`([a-z-]+)`", row)}
    assert documented == said
