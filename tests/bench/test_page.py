"""FIGURES.md says what results.json says."""

import msgspec

from bench.page import Results, page
from bench.programs import HERE


def read() -> Results:
    return msgspec.json.decode((HERE / "results.json").read_bytes(), type=Results)


def test_the_page_is_that_of_the_results() -> None:
    assert (HERE / "FIGURES.md").read_text() == page(read()), "run python -m bench.page"


def test_what_was_not_measured_is_left_empty() -> None:
    results = read()
    for found in results.figures.values():
        found.pop("user_instructions", None)
    told = page(results)
    line = next(line for line in told.splitlines() if line.startswith("| bartizan-16 |"))
    assert line.split("|")[5] == "  "
