"""pure. The picture that `bartizan-relay top` shows, row by row, out of what the relay says.

No terminal in here: a row is pieces of text, each with a style. Rates are of the last minute, or
since the first look.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import zip_longest
from typing import Final

from protocol.text import clean
from relay.admin_wire import AgentLine, Penalty, Reply, Status

WINDOW: Final = 60.0
"""Seconds that a rate is of."""
HISTORY: Final = 48
"""Looks that the curve shows."""
COLUMNS: Final = 80
"""It is laid out for so many, and for 24 rows."""
MOST_WORDS: Final = 6
"""Outcomes shown of each kind, those with the most ends."""
MOST_NETWORKS: Final = 3

_BARS: Final = "▁▂▃▄▅▆▇█"
_GOOD: Final = frozenset({"done", "withdrawn"})
_USUAL: Final = frozenset({"validator-gone", "expired", "left", "checked", "closed", "drained"})
_HALF: Final = 39
_NAME: Final = 24


class Style(Enum):
    """How a piece looks."""

    PLAIN = "plain"
    TITLE = "title"
    FAINT = "faint"
    GOOD = "good"
    BAD = "bad"


Row = list[tuple[Style, str]]
Counts = Callable[[Status], Mapping[str, int]]


class Screen:
    """What was seen so far. Times are seconds of a steady clock."""

    def __init__(self) -> None:
        self._looks: Final[deque[tuple[float, Status]]] = deque()
        self._curve: Final[deque[float]] = deque(maxlen=HISTORY)

    def look(self, replies: Sequence[Reply], now: float) -> None:
        """The relay's answer of this moment. After a restart of it everything begins anew."""
        for status in replies:
            if isinstance(status, Status):
                self._look(status, now)

    def _look(self, status: Status, now: float) -> None:
        if self._looks and self._looks[-1][1].began != status.began:
            self._looks.clear()
            self._curve.clear()
        if self._looks:
            before, last = self._looks[-1]
            ended = sum(status.requests_ended.values()) - sum(last.requests_ended.values())
            self._curve.append(ended * 60.0 / max(now - before, 0.001))
        self._looks.append((now, status))
        while len(self._looks) > 2 and self._looks[1][0] <= now - WINDOW:  # noqa: PLR2004
            self._looks.popleft()

    def rows(self, replies: Sequence[Reply], clock: str, up: str, most: int) -> list[Row]:
        """At most `most`, each of at most COLUMNS. `clock` and `up` are shown as they are."""
        found = [reply for reply in replies if isinstance(reply, Status)]
        if not found:
            return [[(Style.BAD, " the relay has not said how it is")]]
        status = found[0]
        agents = [reply for reply in replies if isinstance(reply, AgentLine)]
        penalties = [reply for reply in replies if isinstance(reply, Penalty)]
        above = [*_head(status, clock, up), *self._now(status), [], *self._outcomes(), []]
        above += [*_refused(status, penalties), []]
        return [*[*above, *_agents(agents, most - len(above) - 1)][: most - 1], _foot()]

    def _now(self, status: Status) -> list[Row]:
        curve = _curve(self._curve)
        ended = sum(self._rates(lambda x: x.requests_ended).values())
        links = Style.TITLE if status.links else Style.BAD
        return [
            [
                (Style.FAINT, " waiting "),
                (Style.TITLE, f"{status.waiting:>8}"),
                *_gap(4),
                (Style.GOOD, f"{curve:>{HISTORY}}"),
            ],
            [
                (Style.FAINT, " running "),
                (Style.TITLE, f"{status.running:>8}"),
                *_gap(4),
                (Style.FAINT, f"{f'requests ended, {ended:.0f} in a minute':>{HISTORY}}"),
            ],
            [
                (Style.FAINT, " agents  "),
                (links, f"{status.links:>8}"),
                *_gap(4),
                (Style.FAINT, f"{_strangers(status):>{HISTORY}}"),
            ],
        ]

    def _outcomes(self) -> list[Row]:
        left = self._table("REQUESTS", lambda x: x.requests_ended)
        right = self._table("STRANGERS", lambda x: x.validators_ended)
        blank: Row = [(Style.PLAIN, " " * _HALF)]
        return [one + other for one, other in zip_longest(left, right, fillvalue=blank)]

    def _table(self, title: str, counts: Counts) -> list[Row]:
        """Title, and the words that most ended with."""
        rates, totals = self._rates(counts), counts(self._looks[-1][1])
        words = sorted(totals, key=lambda word: (-rates.get(word, 0.0), -totals[word], word))
        rows: list[Row] = [
            [(Style.TITLE, f" {title:<18}"), (Style.FAINT, f"{'a minute':>9}{'in all':>11}")]
        ]
        for word in [word for word in words if totals[word]][:MOST_WORDS]:
            style = Style.GOOD if word in _GOOD else Style.PLAIN if word in _USUAL else Style.BAD
            rows.append(
                [
                    (style, f" {clean(word):<18}"),
                    (Style.TITLE, f"{rates[word]:>9,.0f}"),
                    (Style.PLAIN, f"{totals[word]:>11,}"),
                ]
            )
        if len(rows) == 1:
            rows.append([(Style.FAINT, f" {'none yet':<{_HALF - 1}}")])
        return rows

    def _rates(self, counts: Counts) -> dict[str, float]:
        """By word, in a minute."""
        first, oldest = self._looks[0]
        last, newest = self._looks[-1]
        seconds = max(last - first, 1.0)
        before = counts(oldest)
        return {
            word: (count - before.get(word, 0)) * 60.0 / seconds
            for word, count in counts(newest).items()
        }


def _head(status: Status, clock: str, up: str) -> list[Row]:
    draining = "  DRAINING" if status.draining else ""
    name = f" bartizan-relay {status.version}"
    since = f"  up {up}"
    room = COLUMNS - 1 - len(name) - len(since) - len(draining)
    return [
        [
            (Style.TITLE, name),
            (Style.FAINT, since),
            (Style.BAD, draining),
            (Style.FAINT, f"{clock:>{room}}"),
        ],
        [(Style.FAINT, " " + "─" * (COLUMNS - 2))],
    ]


def _strangers(status: Status) -> str:
    return f"validators: {status.incomplete} incomplete, {status.held} held"


def _gap(columns: int) -> Row:
    return [(Style.PLAIN, " " * columns)]


def _refused(status: Status, penalties: Sequence[Penalty]) -> list[Row]:
    style = Style.BAD if status.sources or status.networks else Style.FAINT
    row: Row = [
        (Style.TITLE, " REFUSED            "),
        (style, f"{status.sources} sources, {status.networks} networks"),
    ]
    if status.crowd:
        row.append((Style.BAD, "; a crowd: who owes anything waits"))
    rows = [row]
    for each in penalties[:MOST_NETWORKS]:
        rows.append([(Style.BAD, f" {each.network:<32}"), (Style.PLAIN, f"{each.sources:>6}")])
    if status.refused:
        rows.append([(Style.BAD, " the configuration was refused, the old one counts")])
    if status.lowered:
        rows.append([(Style.BAD, f" few descriptors: {', '.join(status.lowered)} lowered")])
    return rows


def _agents(agents: Sequence[AgentLine], most: int) -> list[Row]:
    """Its title and `most` - 1 of them, those with the most requests first."""
    rows: list[Row] = [
        [(Style.TITLE, f" {'AGENTS':<{_NAME}}"), (Style.FAINT, f"{'waiting':>9}{'running':>9}")]
    ]
    room = most - 1
    shown = agents if len(agents) <= room else agents[: max(0, room - 1)]
    for each in shown:
        name = clean(each.agent)
        name = name if len(name) < _NAME else f"{name[: _NAME - 2]}…"
        rows.append(
            [
                (Style.PLAIN, f" {name:<{_NAME}}"),
                (Style.TITLE, f"{each.waiting:>9}"),
                (Style.GOOD, f"{each.running:>9}"),
                (Style.FAINT, f"   {each.source}"),
            ]
        )
    if len(shown) < len(agents):
        rows.append([(Style.FAINT, f" and {len(agents) - len(shown)} more")])
    if not agents:
        rows.append([(Style.BAD, " none is attached")])
    return rows


def _foot() -> Row:
    return [(Style.FAINT, " q leaves")]


def _curve(values: Iterable[float]) -> str:
    """One bar a look, the highest of them at full height."""
    heights = list(values)
    top = max(heights, default=0.0)
    if not top:
        return _BARS[0] * len(heights)
    return "".join(_BARS[min(7, int(8 * height / top))] for height in heights)
