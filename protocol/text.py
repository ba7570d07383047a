"""pure. Text that a person will read, from a source that may be hostile (SPEC section 4.3).

Both ends clean it: the agent before sending, because user names and host names come from strangers,
the validator again, because an agent may be in an attacker's hands.
"""

import unicodedata
from typing import Final

_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, formats (bidi, zero-width), surrogates, private use, unassigned, line breaks."""

_ELLIPSIS: Final = "\u2026"


def clean(text: str) -> str:
    """`text` with every character gone that could hide, reorder or move what a person sees."""
    return "".join(c for c in text if unicodedata.category(c) not in _UNSAFE_CATEGORIES)


def fit(text: str, maximum: int) -> str:
    """`text` cleaned and cut to `maximum` bytes of UTF-8, a cut being shown by an ellipsis."""
    cleaned = clean(text)
    if len(cleaned.encode()) <= maximum:
        return cleaned
    room = maximum - len(_ELLIPSIS.encode())
    return cleaned.encode()[:room].decode(errors="ignore") + _ELLIPSIS
