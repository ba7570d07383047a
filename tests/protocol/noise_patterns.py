"""Handshake patterns of the Noise specification, revision 34, as values for the engine.

One-way and fundamental patterns are those of sections 7.4 and 7.5, the deferred ones those of the
appendix; `pattern` adds the psk modifiers of section 9.4. The tests need many patterns to prove
the engine; the product has two.
"""

import re

from protocol.noise import Pattern

# name: known before ("i" the initiator's static key, "r" the responder's), then the messages
_PATTERNS = {
    # One way
    "N": "r: e es",
    "K": "ir: e es ss",
    "X": "r: e es s ss",
    # Fundamental
    "NN": ": e / e ee",
    "NK": "r: e es / e ee",
    "NX": ": e / e ee s es",
    "XN": ": e / e ee / s se",
    "XK": "r: e es / e ee / s se",
    "XX": ": e / e ee s es / s se",
    "KN": "i: e / e ee se",
    "KK": "ir: e es ss / e ee se",
    "KX": "i: e / e ee se s es",
    "IN": ": e s / e ee se",
    "IK": "r: e es s ss / e ee se",
    "IX": ": e s / e ee se s es",
    # Deferred
    "NK1": "r: e / e ee es",
    "NX1": ": e / e ee s / es",
    "X1N": ": e / e ee / s / se",
    "X1K": "r: e es / e ee / s / se",
    "XK1": "r: e / e ee es / s se",
    "X1K1": "r: e / e ee es / s / se",
    "X1X": ": e / e ee s es / s / se",
    "XX1": ": e / e ee s / es s se",
    "X1X1": ": e / e ee s / es s / se",
    "K1N": "i: e / e ee / se",
    "K1K": "ir: e es / e ee / se",
    "KK1": "ir: e / e ee se es",
    "K1K1": "ir: e / e ee es / se",
    "K1X": "i: e / e ee s es / se",
    "KX1": "i: e / e ee se s / es",
    "K1X1": "i: e / e ee s / se es",
    "I1N": ": e s / e ee / se",
    "I1K": "r: e es s / e ee / se",
    "IK1": "r: e s / e ee se es",
    "I1K1": "r: e s / e ee es / se",
    "I1X": ": e s / e ee s es / se",
    "IX1": ": e s / e ee se s / es",
    "I1X1": ": e s / e ee s / se es",
}
BASE_NAMES = tuple(_PATTERNS)


def pattern(name: str) -> Pattern | None:
    """The pattern of this name, modifiers included ("XXpsk0+psk3"); None for an unknown one."""
    match = re.fullmatch(r"([A-Z1]+)((?:psk\d(?:\+psk\d)*)?)", name)
    if match is None or match[1] not in _PATTERNS:
        return None
    known, _, text = _PATTERNS[match[1]].partition(":")
    messages = [message.split() for message in text.split("/")]
    for position in map(int, re.findall(r"\d", match[2])):
        if position == 0:
            messages[0].insert(0, "psk")
        else:
            messages[position - 1].append("psk")
    return Pattern(name, "i" in known, "r" in known, tuple(map(tuple, messages)))


def one_way(value: Pattern) -> bool:
    return len(value.messages) == 1
