"""Descriptors: what fits is left alone, what does not is cut in proportion, and nobody starves."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.budget import SHARES, SPARE, fit, lowered, needed
from relay.limits import Limits

SMALL = Limits(links=2, transactions=100, incomplete=100, held=1)


def test_what_fits_is_left_alone() -> None:
    for limits in (Limits(), SMALL):
        assert fit(limits, needed(limits)) is limits
        assert lowered(limits, limits) == {}
    assert needed(SMALL) == 203 + SPARE


def test_one_too_few_cuts_who_has_more_than_its_share() -> None:
    fitted = fit(SMALL, needed(SMALL) - 1)
    assert needed(fitted) <= needed(SMALL) - 1
    assert (fitted.links, fitted.held) == (2, 1)
    # 199 between six and three parts: more than transactions need, so all that is cut is strangers'
    assert (fitted.transactions, fitted.incomplete) == (100, 99)
    assert lowered(SMALL, fitted) == {"incomplete": 99}


def test_defaults_with_256_files() -> None:
    fitted = fit(Limits(), 256)
    assert lowered(Limits(), fitted) == {
        "links": 56,
        "transactions": 84,
        "incomplete": 42,
        "held": 42,
    }
    assert fitted.hold == Limits().hold


@pytest.mark.parametrize("available", [0, 1, SPARE, SPARE + 3])
def test_no_kind_is_left_with_nothing(available: int) -> None:
    assert set(lowered(Limits(), fit(Limits(), available)).values()) == {1}


caps = st.integers(1, 10_000)


@given(st.fixed_dictionaries(dict.fromkeys(SHARES, caps)), st.integers(SPARE + 16, 40_000))
def test_it_always_fits_and_each_has_its_share_or_all_it_wants(
    wanted: dict[str, int], available: int
) -> None:
    limits = msgspec.structs.replace(Limits(), **wanted)
    fitted = fit(limits, available)
    assert needed(fitted) <= max(available, 0)
    assert needed(fitted) >= min(needed(limits), available - len(SHARES))
    for kind, share in SHARES.items():
        cap = getattr(fitted, kind)
        assert cap == wanted[kind] or (available - SPARE) * share // 16 <= cap < wanted[kind]
