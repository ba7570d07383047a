import pytest

from pam_agent.status_line import status_line


@pytest.mark.parametrize(
    ("relays", "expected"),
    [
        ({"a:1": True}, "attached to a:1"),
        ({"a:1": True, "b:1": True}, "attached to a:1, b:1"),
        ({"a:1": False, "b:1": True}, "attached to b:1; not to a:1"),
        ({"a:1": False}, "ATTACHED TO NO RELAY"),
    ],
)
def test_the_agent_in_one_line(relays: dict[str, bool], expected: str) -> None:
    assert status_line(3, 1, relays) == f"sign-ons: 3 waiting, 1 running; {expected}"
