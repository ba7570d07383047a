"""The pages about services: what they say of the agent's configuration is good, and does it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pam_agent.config import parse
from pam_agent.service_policy import KNOWN

PAGES = Path(__file__).parents[2] / "docs" / "services"
BLOCK = re.compile(r"^```toml /etc/bartizan/agent\.toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str]]:
    for page in sorted(PAGES.glob("*.md")):
        for text in BLOCK.findall(page.read_text()):
            yield page.name, text


@pytest.mark.parametrize(("page", "text"), list(blocks()))
def test_each_configuration_is_good_and_about_its_service(page: str, text: str) -> None:
    config = parse(text, page)
    named = {*config.services, *(each for names in config.callers.values() for each in names)}
    assert named
    if page != "cron.md":  # whose example is another service
        assert all(name.startswith(page.removesuffix(".md")) for name in named)


def test_there_are_blocks_to_read() -> None:
    assert {"sshd.md", "sudo.md", "su.md", "login.md"} <= {page for page, _ in blocks()}


@pytest.mark.parametrize("service", KNOWN)
def test_every_service_that_is_known_has_a_page(service: str) -> None:
    page = {"sudo-i": "sudo", "su-l": "su", "atd": "cron"}.get(service, service)
    text = (PAGES / f"{page}.md").read_text()
    assert re.search(rf"\b{service}\b", text)
    assert "## Undo" in text
