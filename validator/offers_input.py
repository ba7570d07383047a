"""edge. Enrolment codes as they come to the program: as arguments, from a file, or typed."""

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from protocol.enrolment import SCHEME, Offer, OfferError
from validator.layout import Line, Tone, paragraph
from validator.terminal import Terminal

_MAX_TYPED: Final = 8192
"""Characters of one enrolment code, with whatever white space it was wrapped in."""

_MAX_READ: Final = 1 << 20
"""Characters of many codes: some thousand hosts."""

STANDARD_INPUT: Final = "-"


def read(codes: tuple[str, ...], file: Path | None, terminal: Terminal) -> tuple[Offer, ...]:
    """The offers in `codes`, of which `-` is standard input, and in `file`; asked for if there are
    neither. Raises click.UsageError, so that nothing is sent when one of them is mistyped.
    """
    texts = [_standard_input() if code == STANDARD_INPUT else code for code in codes]
    if file is not None:
        texts.append(_content(file))
    if texts:
        return tuple(offer for text in texts for offer in offers_in(text))
    if not terminal.interactive:
        raise click.UsageError("give the enrolment code, or - to read it from standard input")
    return (_asked(terminal),)


def offers_in(text: str) -> list[Offer]:
    """The offers in a text, each once, whatever stands between them: `bartizan-agent enroll --json`
    of many hosts, or what it shows to people. Raises click.UsageError.
    """
    _, *codes = _SCHEME.split(text)
    found: list[Offer] = []
    for number, code in enumerate(codes or [""], start=1):
        try:
            found.append(_beginning(code) if codes else Offer.decode(text))
        except OfferError as error:
            which = f"code {number}: " if len(codes) > 1 else ""
            raise click.UsageError(f"{which}{error}. Nothing was sent.") from None
    return list(dict.fromkeys(found))


_SCHEME: Final = re.compile(re.escape(SCHEME), re.IGNORECASE)
_NO_CODE: Final = re.compile(r"[^a-zA-Z0-9\s-]")


def _beginning(text: str) -> Offer:
    """The offer in as many lines as it has. Raises OfferError."""
    code = SCHEME
    *lines, last = text.splitlines() or [""]
    for line in lines:
        code += _characters(line)
        with suppress(OfferError):
            return Offer.decode(code)
    return Offer.decode(code + _characters(last))


def _characters(line: str) -> str:
    """Those of a code: a quotation mark of JSON ends it."""
    return _NO_CODE.split(line, maxsplit=1)[0]


def _standard_input() -> str:
    return sys.stdin.read(_MAX_READ)


def _content(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_MAX_READ)
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None


def _asked(terminal: Terminal) -> Offer:
    """Several lines, because a host may show the code in several; an empty line ends a bad one."""
    typed = ""
    terminal.show([Line("Type or paste the enrolment code that the host shows.")])
    while True:
        line = click.prompt("Code" if not typed else "  ...", default="", show_default=False)
        typed += line
        try:
            return Offer.decode(typed)
        except OfferError as error:
            if not line or len(typed) > _MAX_TYPED:
                terminal.show(paragraph(f"{error}. Once more.", terminal.width, Tone.WARNING))
                typed = ""
