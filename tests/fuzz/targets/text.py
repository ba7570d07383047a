"""pure. Text for people, from strangers: what is left of it, and how it is cut."""

from collections.abc import Iterator

from protocol.text import clean, fit
from tests.fuzz.script import Script, script
from tests.protocol import independent

LEAST = 32
"""The shortest maximum of any field (SPEC section 4.3)."""


def once(data: bytes) -> None:
    """u8 bytes above the least | UTF-8 text."""
    instructions = Script(data)
    maximum = LEAST + instructions.number()
    text = instructions.rest().decode(errors="replace")
    cleaned = clean(text)
    assert cleaned == independent.clean(text)
    assert clean(cleaned) == cleaned
    fitted = fit(text, maximum)
    assert len(fitted.encode()) <= maximum
    assert clean(fitted) == fitted == fit(fitted, maximum)
    if len(cleaned.encode()) <= maximum:
        assert fitted == cleaned
    else:
        assert fitted[-1] == "\u2026"
        assert cleaned.startswith(fitted[:-1])
        assert len(fitted.encode()) > maximum - 4  # no more is lost than one character


def seeds() -> Iterator[bytes]:
    yield script(0) + b"anna"
    yield script(0) + "naïve \u202eevil\u202c \x1b[2J\u200b€𝄞".encode()
    yield script(0) + ("€" * 20).encode()
    yield script(1) + ("𝄞" * 20).encode()
