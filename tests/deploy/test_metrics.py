"""The dashboard and the alerts name only metrics that there are, with labels that they have."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from pam_agent.metrics import Metrics as AgentMetrics
from relay.metrics import Metrics
from relay.overview import Overview
from tests.support.together import together

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
DASHBOARD: Final = DEPLOY / "grafana" / "bartizan.json"
RULES: Final = DEPLOY / "prometheus" / "bartizan.rules.yml"

_NAME: Final = re.compile(r"\bbartizan_[a-z_]+")
_SELECTOR: Final = re.compile(r"(bartizan_[a-z_]+)\{([^}]*)\}")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|=|!=)\s*"([^"]*)"')
_OF_PROMETHEUS: Final = {"instance", "job"}


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    text = RULES.read_text()
    yield from re.findall(r"expr: (?:>-\n)?((?:.+\n)(?: {10}.+\n)*)", text)


@pytest.fixture
async def samples(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[dict[str, list[Any]]]:
    """Every sample's labels, by name, of a real relay and a real agent that have just started."""
    async with together(tmp_path) as parts:
        page = await Metrics(Overview(parts.relay.relay)).page()
        page += await AgentMetrics(parts.agent.agent, lambda: 0, "1").page()
        found: dict[str, list[Any]] = {}
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
        yield found


def test_there_are_expressions_in_both_files() -> None:
    assert len(json.loads(DASHBOARD.read_text())["panels"]) >= 10
    assert len(list(expressions())) > RULES.read_text().count("- alert:") >= 10
    assert RULES.read_text().count("expr:") == RULES.read_text().count("- alert:")


async def test_every_metric_that_is_named_exists(samples: dict[str, list[Any]]) -> None:
    for expression in expressions():
        names = _NAME.findall(expression)
        assert names, expression
        for name in names:
            assert name in samples, expression


async def test_every_label_and_value_that_is_named_exists(samples: dict[str, list[Any]]) -> None:
    """A word that no outcome is would never raise an alert."""
    for expression in expressions():
        for name, inside in _SELECTOR.findall(expression):
            for label, operator, value in _MATCHER.findall(inside):
                if label in _OF_PROMETHEUS:
                    continue
                values = {labels[label] for labels in samples[name]}
                words = value.split("|") if operator == "=~" else [value]
                assert set(words) <= values, expression


def test_the_dashboard_is_laid_out() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = [tuple(panel["gridPos"][each] for each in "xywh") for panel in panels]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert all(x + w <= 24 for x, _, w, _ in places)
