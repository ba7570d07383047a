"""Writes the vectors of SPEC section 10 into this folder: `python -m tests.vectors.generate`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors.derivations import derivations, passcodes
from tests.vectors.fixed import Json
from tests.vectors.offline import without_network
from tests.vectors.plaintexts import plaintexts
from tests.vectors.sign_ons import enrolment, sign_on
from tests.vectors.stories import ratchet
from tests.vectors.wire import link, message_vectors

FOLDER = Path(__file__).parent


def jsonable(thing: Any) -> Any:
    """Byte strings as hexadecimal, tuples as lists, members of enums as numbers."""
    if isinstance(thing, bytes):
        return thing.hex()
    if isinstance(thing, dict):
        return {str(key): jsonable(item) for key, item in thing.items()}
    if isinstance(thing, tuple | list):
        return [jsonable(item) for item in thing]
    return int(thing) if isinstance(thing, int) and not isinstance(thing, bool) else thing


DOCUMENTS: dict[str, Callable[[], Json]] = {
    "derivations.json": derivations,
    "passcodes.json": passcodes,
    "messages.json": message_vectors,
    "link.json": link,
    "plaintexts.json": plaintexts,
    "sign_on.json": sign_on,
    "enrolment.json": enrolment,
    "ratchet.json": ratchet,
    "offline.json": without_network,
}


def text(name: str) -> str:
    """A whole file."""
    return json.dumps(jsonable(DOCUMENTS[name]()), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in DOCUMENTS:
        (FOLDER / name).write_text(text(name))


if __name__ == "__main__":
    main()
