"""What is told of times."""

from relay.moments import between


def test_times_are_told_to_the_microsecond() -> None:
    assert between(1000.1, 1001.3333333333) == 1.233333
    assert between(0.1, 0.3) == 0.2
    assert between(5.0, 5.0) == 0.0
