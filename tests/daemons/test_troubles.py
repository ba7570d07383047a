from daemons.troubles import MAX_REFUSAL, MAX_SHOWN, MAX_TROUBLES, Trouble, Troubles, refusal


def test_the_last_ones_are_kept() -> None:
    troubles = Troubles()
    for number in range(MAX_TROUBLES + 1):
        troubles.note(float(number), "warning", {"event": "link lost", "level": "warning"})
    assert [each.at for each in troubles] == [float(n) for n in range(1, MAX_TROUBLES + 1)]


def test_one_is_a_line_that_fits() -> None:
    troubles = Troubles()
    event = {"event": "store failed", "level": "error", "time": 1.0, "reason": "x\x1b" * 1000}
    troubles.note(1.0, "error", event | {"exception": "Traceback"})
    troubles.note(1.0, "error", {"event": "down", "relay": "a:1", "n": 3})
    troubles.note(1.0, "error", {"event": "down"})
    first, second, third = troubles
    assert first.what.startswith("store failed: reason xxx")
    assert first.what.isprintable()
    assert len(first.what.encode()) <= MAX_SHOWN
    assert second == Trouble(1.0, "error", "down: relay a:1, n 3")
    assert third.what == "down"


def test_a_refusal_is_one_line_that_fits() -> None:
    assert refusal("a: found 1\nb: found 2") == "a: found 1; b: found 2"
    assert refusal("") == ""
    assert len(refusal("x" * 2 * MAX_REFUSAL).encode()) == MAX_REFUSAL
