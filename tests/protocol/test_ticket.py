import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ticket
from protocol.kdf import kdf

K_RV = bytes(range(32))
OFFLINE = bytes(range(32, 64))
tickets = st.text(alphabet=ticket.ALPHABET, min_size=10, max_size=10)


def made(generation: int = 3, counter: int = 5, service: str = "postgresql") -> str:
    return ticket.locator(K_RV, generation, counter, service) + ticket.proof(
        OFFLINE, generation, counter, service
    )


def test_the_bits_are_the_first_of_the_derivations() -> None:
    context = bytes((0, 0, 0, 3, 0, 0, 0, 5)) + b"postgresql"
    bits = "".join(f"{ticket.ALPHABET.index(each):05b}" for each in made())
    whole = "".join(f"{byte:08b}" for byte in kdf(K_RV, "ticket", context, 4))
    assert bits[:30] == whole[:30]
    whole = "".join(f"{byte:08b}" for byte in kdf(OFFLINE, "ticket", context, 3))
    assert bits[30:] == whole[:20]


def test_everything_a_ticket_is_for_changes_both_parts() -> None:
    found = [made(), made(generation=4), made(counter=6), made(service="dovecot")]
    assert len({each[:6] for each in found}) == len({each[6:] for each in found}) == 4
    assert made() == made()


def test_the_largest_numbers_fit() -> None:
    assert len(made(generation=2**32 - 1, counter=2**32 - 1)) == 10


def test_the_alphabet_has_nothing_that_looks_alike() -> None:
    assert len(set(ticket.ALPHABET)) == 32
    assert not set("ILOU") & set(ticket.ALPHABET)


@given(tickets, st.data())
def test_what_is_shown_can_be_typed(whole: str, data: st.DataObject) -> None:
    assert ticket.parse(ticket.display(whole)) == whole
    looks = {"0": "0oO", "1": "1iIlL"}
    blanks = st.sampled_from(["", " ", "-"])
    typed = "".join(
        data.draw(blanks) + data.draw(st.sampled_from(looks.get(each, each + each.lower())))
        for each in whole
    )
    assert ticket.parse(typed) == whole


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "7Q2KM9XW4",
        "7Q2KM9XW4PP",
        "7Q2KM9XW4U",
        "7Q2KM\t9XW4P",
        "7Q2KM9XW4\u0131",  # its upper case would be an I
        "\u017fQ2KM9XW4P",  # and its an S
        "horse battery",
        "correct,horse",
    ],
)
def test_what_is_no_ticket(typed: str) -> None:
    assert ticket.parse(typed) is None


@given(st.text())
def test_any_text_is_a_ticket_or_none(typed: str) -> None:
    found = ticket.parse(typed)
    assert found is None or (len(found) == 10 and set(found) <= set(ticket.ALPHABET))
