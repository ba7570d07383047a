import pytest

from pam_agent.status_line import status_line


@pytest.mark.parametrize(
    ("sign_ons", "relays", "expected"),
    [
        (0, {"a:1": True}, "0 sign-ons under way; attached to a:1"),
        (1, {"a:1": True, "b:1": True}, "1 sign-on under way; attached to a:1, b:1"),
        (2, {"a:1": False, "b:1": True}, "2 sign-ons under way; attached to b:1; not to a:1"),
        (0, {"a:1": False}, "0 sign-ons under way; ATTACHED TO NO RELAY"),
    ],
)
def test_the_agent_in_one_line(sign_ons: int, relays: dict[str, bool], expected: str) -> None:
    assert status_line(sign_ons, relays) == expected
