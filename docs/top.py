"""edge. Makes docs/top.svg: what `bartizan-relay top` shows, drawn by its own code.

The figures are played: an office on a Monday morning, and somebody who tries tags. With --check
nothing is written, and the exit code is 1 if the picture is another than the code's.
"""

import sys
from collections.abc import Iterator
from html import escape
from itertools import accumulate
from math import sin
from pathlib import Path
from typing import Final

from relay.admin_wire import AgentLine, Penalty, Reply, Status
from relay.screen import COLUMNS, HISTORY, Row, Screen, Style

FILE: Final = Path(__file__).with_name("top.svg")
ROWS: Final = 24
CELL: Final = 8.4
LINE: Final = 19
MARGIN: Final = 16
EVERY: Final = 5.0
"""Seconds between two looks."""

STYLES: Final = {
    Style.PLAIN: "#1f2a36",
    Style.TITLE: "#1f2a36; font-weight: 600",
    Style.FAINT: "#66727f",
    Style.GOOD: "#23694b",
    Style.BAD: "#b3261e; font-weight: 600",
}
DARK: Final = {
    Style.PLAIN: "#e6ebf1",
    Style.TITLE: "#ffffff",
    Style.FAINT: "#98a4b1",
    Style.GOOD: "#7fd3ae",
    Style.BAD: "#ff8a80",
}
AGENTS: Final = (
    AgentLine("web1", "10.0.0.0/24", 0.0, 6, 2),
    AgentLine("db1", "10.0.0.0/24", 0.0, 3, 1),
    AgentLine("build", "10.0.1.0/24", 0.0, 1, 0),
    AgentLine("bastion", "uid:994", 0.0, 0, 0),
)


def looks() -> Iterator[list[Reply]]:
    """What the relay answers, one look after the other."""
    ended = accumulate(round(9 + 7 * sin(n / 7) + 2 * sin(n * 2.4)) for n in range(HISTORY + 12))
    for number, done in enumerate(ended):
        yield [
            Status(
                version="0.1.0",
                began=0.0,
                draining=False,
                waiting=10,
                running=3,
                held=4,
                incomplete=1,
                links=len(AGENTS),
                setting_up=0,
                requests_ended={
                    "done": 18_204 + done,
                    "withdrawn": 611 + done // 25,
                    "expired": 405 + done // 40,
                    "validator-gone": 77 + done // 120,
                    "rejected-too-often": 2,
                },
                validators_ended={
                    "unmatched": 960 + 3 * number,
                    "refused": 21_870 + 64 * number,
                    "malformed": 318 + number // 8,
                    "left": 92 + number // 15,
                    "silent": 41,
                },
                links_ended={},
                no_descriptor=0,
                sources=3,
                networks=0,
                crowd=False,
                keys=len(AGENTS),
                lowered={},
            ),
            *AGENTS,
            Penalty("203.0.113.0/24", 2),
            Penalty("2001:db8:66::/48", 1),
        ]


def rows() -> list[Row]:
    screen = Screen()
    replies: list[Reply] = []
    for number, replies in enumerate(looks()):
        screen.look(replies, number * EVERY)
    return screen.rows(replies, "09:04:17", "12 d 3 h", ROWS)


def picture() -> str:
    width, height = 2 * MARGIN + COLUMNS * CELL, 2 * MARGIN + ROWS * LINE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"',
        f'     width="{width:g}" height="{height:g}" role="img" aria-labelledby="title">',
        '  <title id="title">bartizan-relay top: what waits and runs, requests\' ends in a minute,',
        "    strangers, whom the relay refuses, and its agents</title>",
        "  <style>",
        "    text { font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }",
        "    .screen { fill: #ffffff; stroke: #b9c1ca; }",
        *(f"    .{style.value} {{ fill: {look}; }}" for style, look in STYLES.items()),
        "    @media (prefers-color-scheme: dark) {",
        "      .screen { fill: #161b22; stroke: #4a5563; }",
        *(f"      .{style.value} {{ fill: {look}; }}" for style, look in DARK.items()),
        "    }",
        "  </style>",
        f'  <rect class="screen" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" '
        'rx="6"/>',
    ]
    for number, row in enumerate(rows()):
        lines += _drawn(row, MARGIN + (number + 0.75) * LINE)
    return "\n".join([*lines, "</svg>", ""])


def _drawn(row: Row, y: float) -> Iterator[str]:
    """Each piece at its columns, as wide as these, whatever font there is."""
    column = 0
    for style, text in row:
        shown = text.strip()
        if shown:
            x = MARGIN + (column + len(text) - len(text.lstrip())) * CELL
            yield (
                f'  <text class="{style.value}" x="{x:.1f}" y="{y:.1f}" '
                f'textLength="{len(shown) * CELL:.1f}" lengthAdjust="spacingAndGlyphs" '
                f'xml:space="preserve">{escape(shown)}</text>'
            )
        column += len(text)


def main() -> int:
    drawn = picture()
    if "--check" not in sys.argv:
        FILE.write_text(drawn)
    elif not FILE.exists() or FILE.read_text() != drawn:
        print(f"{FILE}: not what the code shows now; make reference", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
