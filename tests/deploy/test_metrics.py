"""The dashboard and the alerts name only metrics that there are, with labels that they have."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from daemons.troubles import Troubles
from pam_agent.metrics import Metrics as AgentMetrics
from pam_agent.overview import Overview as AgentOverview
from relay.metrics import Metrics
from relay.overview import Overview
from tests.support.quiet_book import a_book
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
        page = await Metrics(Overview(parts.relay.relay, a_book())).page()
        agent = AgentOverview(parts.agent.agent, Troubles(), lambda: 0)
        page += await AgentMetrics(agent).page()
        found: dict[str, list[Any]] = {}
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
        yield found


def test_there_are_expressions_in_both_files() -> None:
    assert len(json.loads(DASHBOARD.read_text())["panels"]) >= 10
    assert len(list(expressions())) > RULES.read_text().count("- alert:") >= 10
    assert RULES.read_text().count("expr:") == RULES.read_text().count("- alert:")


@pytest.fixture
def promtool() -> Callable[..., None]:
    """Prometheus's own check of its files."""
    if shutil.which("promtool") is None and os.environ.get("CI") != "true":
        pytest.skip("promtool is not installed (apt-get install prometheus)")

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_prometheus_takes_the_rules(promtool: Callable[..., None]) -> None:
    promtool("check", "rules", RULES)


def test_prometheus_understands_what_the_dashboard_asks(
    promtool: Callable[..., None], tmp_path: Path
) -> None:
    asked = [
        {"record": f"panel:expression{number}", "expr": expression.replace("$instance", ".*")}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": asked}]}))
    promtool("check", "rules", file)


NEAR: Final = {
    'bartizan_relay_requests{instance="one",stage="waiting"}': 500,
    'bartizan_relay_requests{instance="one",stage="running"}': 301,
    'bartizan_relay_requests{instance="two",stage="waiting"}': 1,
    'bartizan_relay_links{instance="two"}': 81,
    'bartizan_relay_links{instance="one"}': 1,
    **{
        f'bartizan_relay_limit{{instance="{instance}",of="{limit}"}}': value
        for instance in ("one", "two", "three")
        for limit, value in (("requests", 1000), ("links", 100))
    },
    'bartizan_relay_requests{instance="three",stage="waiting"}': 800,
    'bartizan_relay_links{instance="three"}': 80,
}
"""Figures of three relays: one is near its limit of requests, two near that of links."""


GONE: Final = {
    **{
        f'up{{job="{job}",instance="{instance}"}}': values
        for job, instance, values in (
            ("relays", "one", "1 1 0 0 0 0"),
            ("relays", "two", "1x5"),
            ("agents", "one", "1x5"),
            ("others", "three", "0x5"),
        )
    },
    'bartizan_relay_info{job="relays",instance="one",version="1"}': "1 1 stale",
    'bartizan_relay_info{job="relays",instance="two",version="1"}': "1x5",
    'bartizan_agent_info{job="agents",instance="one",version="1"}': "1x5",
}
"""Two relays, of which one is gone; an agent; and something else that is down."""


@pytest.mark.parametrize(
    ("alert", "series", "raised"),
    [
        ("BartizanRelayNearALimit", {key: f"{n}x5" for key, n in NEAR.items()}, ["one", "two"]),
        ("BartizanRelayGone", GONE, ["one"]),
        ("BartizanRelayGone", {}, [""]),
        ("BartizanAgentGone", GONE, []),
        (
            "BartizanAgentGone",
            {key.replace("relay_info", "agent_info"): values for key, values in GONE.items()},
            ["one"],
        ),
    ],
)
def test_an_alert_is_raised_where_it_should_be(
    promtool: Callable[..., None],
    tmp_path: Path,
    alert: str,
    series: dict[str, str],
    raised: list[str],
) -> None:
    """The rules that put figures together."""
    [rule] = re.findall(
        rf"alert: {alert}\n +expr: (?:>-\n)?((?:.+\n)(?: {{10}}.+\n)*)", RULES.read_text()
    )
    labels = [f'{{instance="{each}"}}' if each else "{}" for each in raised]
    case = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"count by (instance) ({' '.join(rule.split())})",
                        "eval_time": "5m",
                        "exp_samples": [{"labels": each, "value": 1} for each in labels],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "case.yml"
    file.write_text(json.dumps(case))
    promtool("test", "rules", file)


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
