"""edge. The test vectors, where seeds come from."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


def load(name: str) -> Any:
    """`sign_on`, `messages` ..."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def raw(thing: Any) -> Any:
    """Every text that is hexadecimal, as bytes."""
    if isinstance(thing, dict):
        return {key: raw(item) for key, item in thing.items()}
    if isinstance(thing, list):
        return [raw(item) for item in thing]
    try:
        return bytes.fromhex(thing) if isinstance(thing, str) else thing
    except ValueError:
        return thing
