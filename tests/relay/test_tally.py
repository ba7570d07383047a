from relay import tally as module
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.records import (
    LinkEnded,
    LinkUp,
    NoDescriptor,
    Record,
    Repeated,
    RequestEnded,
    ValidatorEnded,
)
from relay.tally import Tally


def request(sign_on_id: str, outcome: RequestOutcome = RequestOutcome.DONE) -> RequestEnded:
    return RequestEnded(outcome, "web1", sign_on_id, "", 1.0, 0.0, 0, 0, 0)


def repeated(what: str, outcome: str, count: int) -> Repeated:
    return Repeated(what=what, outcome=outcome, count=count, networks=1, source="", lasted=10.0)


def test_every_end_is_counted_by_its_word() -> None:
    tally = Tally()
    records: list[Record] = [
        request("a"),
        request("b", RequestOutcome.EXPIRED),
        ValidatorEnded(ValidatorOutcome.SILENT, "", 5.0),
        repeated("validator ended", "silent", 41),
        LinkUp("uid:0", "web1"),
        LinkEnded(LinkOutcome.CLOSED, "uid:0", "web1", 1.0, 0),
        repeated("link ended", "refused", 7),
        NoDescriptor(connections=3),
        repeated("no descriptor left", "", 9),
    ]
    tally.note(records, 100.0)
    tally.note(records[:1], 101.0)
    assert told(tally.requests) == {"done": 2, "expired": 1}
    assert told(tally.validators) == {"silent": 42}
    assert told(tally.links) == {"closed": 1, "refused": 7}
    assert tally.no_descriptor == 10


def test_all_requests_of_a_sign_on_are_found_in_order() -> None:
    tally = Tally()
    first, second = request("a", RequestOutcome.VALIDATOR_GONE), request("a")
    tally.note([first, request("b")], 100.0)
    tally.note([second], 107.5)
    assert tally.find("a") == [first, second]
    assert [each.time for each in tally.find("a")] == [100.0, 107.5]
    assert tally.find("c") == []
    assert (tally.remembered, tally.forgotten) == (3, 0)


def test_the_older_half_is_forgotten_and_that_is_known() -> None:
    tally = Tally()
    tally.note([request(str(number)) for number in range(module.MAX_REMEMBERED)], 1.0)
    assert tally.forgotten == 0
    assert tally.find("0")
    half = module.MAX_REMEMBERED // 2
    tally.note([request("one more")], 2.0)
    assert (tally.remembered, tally.forgotten) == (half + 1, half)
    assert not tally.find("0")
    assert not tally.find(str(half - 1))
    assert tally.find(str(half))
    assert tally.find("one more")
    assert tally.requests["done"] == module.MAX_REMEMBERED + 1


def told(counts: dict[str, int]) -> dict[str, int]:
    """Every word is counted from the start: those that occurred."""
    return {word: count for word, count in counts.items() if count}
