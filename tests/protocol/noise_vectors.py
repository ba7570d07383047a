"""The published vectors in the file that NOISE_VECTORS names, and which of them the engine can run.

A file in the cacophony JSON format. Left out are other suites than Bartizan's, patterns that
noise_patterns does not know, and patterns with two psk tokens in one message: the engine holds one
psk at a time, which is all that Bartizan needs. It can be changed between messages, not within one.
"""

import json
import os
from pathlib import Path
from typing import Any

from protocol.noise import Pattern
from tests.protocol.noise_patterns import pattern

VECTORS_FILE = os.environ.get("NOISE_VECTORS")
SUITE = "_25519_AESGCM_SHA256"

Vector = dict[str, Any]


def load() -> list[Vector]:
    if not VECTORS_FILE:
        return []
    vectors: list[Vector] = json.loads(Path(VECTORS_FILE).read_text())["vectors"]
    return vectors


def name_of(vector: Vector) -> str:
    return str(vector["protocol_name"])


def of_our_suite(vector: Vector) -> bool:
    return name_of(vector).startswith("Noise_") and name_of(vector).endswith(SUITE)


def pattern_of(vector: Vector) -> Pattern | None:
    if not of_our_suite(vector):
        return None
    return pattern(name_of(vector).removeprefix("Noise_").removesuffix(SUITE))


def two_psks_in_a_message(value: Pattern) -> bool:
    return any(tokens.count("psk") > 1 for tokens in value.messages)


def can_be_run(vector: Vector) -> bool:
    value = pattern_of(vector)
    return value is not None and not two_psks_in_a_message(value)


VECTORS = load()
RUN = [vector for vector in VECTORS if can_be_run(vector)]
LEFT_OUT = [vector for vector in VECTORS if not can_be_run(vector)]
