"""What is put in comes out in order, however it is taken."""

from hypothesis import given
from hypothesis import strategies as st

from relay.outbox import Outbox


@given(st.lists(st.binary(max_size=20) | st.integers(0, 30), max_size=20))
def test_it_is_the_bytes_that_were_put_and_not_sent(steps: list[bytes | int]) -> None:
    outbox, model = Outbox(), b""
    for step in steps:
        if isinstance(step, bytes):
            outbox.put(step)
            model += step
        else:
            count = min(step, len(model))
            outbox.sent(count)
            model = model[count:]
        assert (len(outbox), bool(outbox)) == (len(model), bool(model))
        if isinstance(step, int) and step % 2:
            assert bytes(outbox) == outbox.joined() == model
    assert bytes(outbox) == model


def test_cleared_it_is_empty() -> None:
    outbox = Outbox()
    outbox.put(b"something")
    outbox.clear()
    assert not outbox
    assert outbox.joined() == b""
    outbox.put(b"else")
    assert outbox.joined() == b"else"
