import pytest

from protocol.noise import IKPSK1, KKPSK0
from tests.protocol.noise_patterns import BASE_NAMES, pattern


def test_the_products_patterns_are_the_specifications() -> None:
    assert pattern("KKpsk0") == KKPSK0
    assert pattern("IKpsk1") == IKPSK1


def test_modifiers_stand_where_section_9_4_puts_them() -> None:
    value = pattern("XXpsk0+psk3")
    assert value is not None
    assert value.messages == (("psk", "e"), ("e", "ee", "s", "es"), ("s", "se", "psk"))


@pytest.mark.parametrize("name", BASE_NAMES)
def test_each_pattern_is_sound(name: str) -> None:
    """Section 7.3: no key is sent twice, none is used before it is known, none is left unproved."""
    value = pattern(name)
    assert value is not None
    known = {
        "i": {"s"} if value.initiator_known else set(),
        "r": {"s"} if value.responder_known else set(),
    }
    proved = set()
    for step, tokens in enumerate(value.messages):
        sender = known["ir"[step % 2]]
        for token in tokens:
            if len(token) == 1:
                assert token not in sender
                sender.add(token)
            else:
                assert token[0] in known["i"]
                assert token[1] in known["r"]
                assert token not in proved
                proved.add(token)
    one_way = len(value.messages) == 1
    assert ("se" in proved or (one_way and "ss" in proved)) == ("s" in known["i"])
    assert ("es" in proved) == ("s" in known["r"])
    assert ("ee" in proved) != one_way


@pytest.mark.parametrize(
    "name", ["", "ZZ", "kk", "KKpsk", "KK+psk0", "KKpsk0+", "XXfallback", "KKpsk0psk1"]
)
def test_unknown_names_are_none(name: str) -> None:
    assert pattern(name) is None
