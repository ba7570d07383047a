"""pure. What `bartizan-agent check` has to say: of what, where, and what to do about it."""

from enum import StrEnum

from msgspec import Struct


class Weight(StrEnum):
    """What a finding means for the exit code."""

    MISTAKE = "mistake"
    """Somebody gets in without the factor, or cannot get in with it."""
    UNCHECKED = "unchecked"
    """Something that could not be looked at."""
    NOTE = "note"
    """As it was set up, and perhaps meant so."""


class Finding(Struct, frozen=True):
    """`word` is short and stays the same from version to version, for programs.

    `where` is a file, `FILE:LINE`, or what was asked; `service` a PAM service, "" for the host.
    `wrong` and `instead` are sentences for people; a note has no `instead`.
    """

    weight: Weight
    word: str
    service: str
    where: str
    wrong: str
    instead: str = ""


def mistake(word: str, service: str, where: str, wrong: str, instead: str) -> Finding:
    return Finding(Weight.MISTAKE, word, service, where, wrong, instead)


def note(word: str, service: str, where: str, wrong: str) -> Finding:
    return Finding(Weight.NOTE, word, service, where, wrong)


def unchecked(word: str, service: str, where: str, wrong: str, instead: str) -> Finding:
    return Finding(Weight.UNCHECKED, word, service, where, wrong, instead)
