from hypothesis import given
from hypothesis import strategies as st

from pam_agent.notices import MAX_NOTICES, Notice, alert_text
from protocol.signon_messages import MAX_ALERT


def test_without_notices_there_is_no_alert() -> None:
    assert alert_text(()) == ""


def test_the_newest_is_told_and_how_many_more_there_are() -> None:
    one, two, three = (Notice(number, 0, f"text {number}") for number in (1, 2, 3))
    assert alert_text((one,)) == "text 1"
    assert alert_text((one, two)) == "text 2 (and 1 more)"
    assert alert_text((three, one, two)) == "text 3 (and 2 more)"


def test_a_long_one_is_cut_and_the_number_is_not() -> None:
    told = alert_text([Notice(number, 0, "é" * 300) for number in range(MAX_NOTICES)])
    assert told.endswith("é… (and 7 more)")
    assert MAX_ALERT - 1 <= len(told.encode()) <= MAX_ALERT


@given(st.lists(st.text(max_size=300), max_size=9))
def test_it_always_fits(texts: list[str]) -> None:
    told = alert_text([Notice(number, 0, text) for number, text in enumerate(texts)])
    assert len(told.encode()) <= MAX_ALERT
    assert told.endswith("more)") or len(texts) < 2
