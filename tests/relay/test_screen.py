import msgspec

from relay.admin_wire import AgentLine, Penalty, Reply, Status
from relay.screen import COLUMNS, HISTORY, MOST_WORDS, Screen, Style

STATUS = Status(
    version="0.1.0",
    began=1000.0,
    draining=False,
    waiting=12,
    running=3,
    held=2,
    incomplete=1,
    links=2,
    setting_up=0,
    requests_ended={"done": 100, "expired": 7, "malformed": 1},
    validators_ended={},
    links_ended={},
    no_descriptor=0,
    sources=0,
    networks=0,
    crowd=False,
    keys=0,
    lowered={},
)
AGENTS = [AgentLine("web1", "uid:0", 1000.0, 12, 3), AgentLine("n" * 64, "192.0.2.0/24", 1.0, 0, 0)]


def text(screen: Screen, replies: list[Reply], most: int = 24) -> list[str]:
    rows = screen.rows(replies, "12:00:00", "3 h", most)
    lines = ["".join(piece for _, piece in row) for row in rows]
    assert len(lines) <= most
    assert all(len(line) <= COLUMNS for line in lines), lines
    return lines


def looked(*statuses: Status, seconds: float = 10.0) -> Screen:
    screen = Screen()
    for number, status in enumerate(statuses):
        screen.look([status], number * seconds)
    return screen


def later(**changes: object) -> Status:
    return msgspec.structs.replace(STATUS, **changes)


def test_all_is_on_it() -> None:
    shown = "\n".join(text(looked(STATUS), [STATUS, *AGENTS]))
    for piece in (
        "0.1.0",
        "up 3 h",
        "12:00:00",
        "waiting       12",
        "running        3",
        "none yet",
    ):
        assert piece in shown
    assert "web1                           12        3   uid:0" in shown
    assert "n" * 22 + "… " in shown
    assert "1 incomplete, 2 held" in shown
    assert "0 sources, 0 networks" in shown


def test_rates_are_of_the_last_minute() -> None:
    more = later(requests_ended={"done": 130, "expired": 7, "malformed": 1})
    (row,) = [line for line in text(looked(STATUS, more), [more]) if "done" in line]
    assert row.split()[:3] == ["done", "180", "130"]
    old = [later(requests_ended={"done": 100 + number}) for number in range(20)]
    screen = looked(*old)
    (row,) = [line for line in text(screen, [old[-1]]) if " done" in line]
    assert row.split()[:3] == ["done", "6", "119"]


def test_after_a_restart_it_begins_anew() -> None:
    again = later(began=2000.0, requests_ended={"done": 1})
    (row,) = [line for line in text(looked(STATUS, again), [again]) if " done" in line]
    assert row.split()[:3] == ["done", "0", "1"]


def test_what_is_wrong_is_seen() -> None:
    bad = later(
        draining=True,
        sources=5,
        networks=1,
        crowd=True,
        lowered={"links": 3},
        refused="key: what is wrong",
        links=0,
        validators_ended={"malformed": 4, "left": 2},
    )
    penalties = [Penalty(f"203.0.{number}.0/24", number) for number in range(9)]
    rows = looked(bad).rows([bad, *penalties], "12:00:00", "3 h", 24)
    bold = "".join(piece for row in rows for style, piece in row if style is Style.BAD)
    for piece in (
        "DRAINING",
        "5 sources, 1 networks",
        "crowd",
        "203.0.2.0/24",
        "links lowered",
        "was refused",
    ):
        assert piece in bold
    assert "malformed" in bold
    assert "none is attached" in bold
    assert "left" not in bold
    assert "203.0.3.0/24" not in bold


def test_it_fits_whatever_there_is_to_show() -> None:
    words = {f"word-{number:02}": number + 1 for number in range(20)}
    full = later(requests_ended=words, validators_ended=words, sources=9, crowd=True)
    agents: list[Reply] = [AgentLine(f"web{n}", "uid:0", 1.0, n, n) for n in range(100)]
    penalties: list[Reply] = [Penalty("2001:db8:aaaa::/48", 10**6)] * 16
    screen = looked(*[full] * (HISTORY + 30), seconds=1.0)
    for most in (24, 50):
        shown = text(screen, [full, *agents, *penalties], most)
        assert shown[-1] == " q leaves"
        assert f"and {100 - (most - 20 - 2)} more" in "\n".join(shown)
        assert sum("word-" in line for line in shown) == MOST_WORDS
    assert text(screen, [full, *agents], 5)[-1] == " q leaves"


def test_the_curve() -> None:
    statuses = [later(requests_ended={"done": n}) for n in (0, 0, 4, 12, 20)]
    shown = "\n".join(text(looked(*statuses), [statuses[-1]]))
    assert "▁▅██" in shown
    assert "▁▁" in "\n".join(text(looked(STATUS, STATUS, STATUS), [STATUS]))


def test_no_status() -> None:
    assert text(Screen(), []) == [" the relay has not said how it is"]
    screen = Screen()
    screen.look(AGENTS, 1.0)
    assert text(screen, list(AGENTS)) == [" the relay has not said how it is"]
