"""edge. The SBOM (CycloneDX 1.6, JSON) of the wheels in a folder, as requirements.txt pins them.

`sbom.py REQUIREMENTS WHEELS` prints it. A wheel whose hash is not in REQUIREMENTS is an error:
what is shipped is what was pinned. Bartizan's own wheel is what it is all about. A wheel may bring
SBOMs of what it contains in turn, as Rust crates and OpenSSL (PEP 770); these are nested in it.
"""

import email
import email.message
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

OWN: Final = "bartizan"

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_CLASSIFIED: Final = "License :: OSI Approved :: "

Component = dict[str, Any]


class SbomError(Exception):
    """What is in the folder is not what was pinned."""


def pinned(requirements: str) -> dict[tuple[str, str], set[str]]:
    """The SHA-256 sums by name and version."""
    starts = list(_PINNED.finditer(requirements))
    ends = [*(each.start() for each in starts), len(requirements)][1:]
    return {
        (_normal(each[1]), each[2]): set(_HASH.findall(requirements, each.end(), end))
        for each, end in zip(starts, ends, strict=True)
    }


def component(wheel: Path, pins: dict[tuple[str, str], set[str]]) -> Component:
    """One wheel's entry. Raises SbomError."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [n for n in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        message = email.message_from_bytes(archive.read(metadata))
        nested = [
            json.loads(archive.read(n)) for n in names if "dist-info/sboms/" in n and n[-1] != "/"
        ]
    name, version = _normal(message["Name"]), message["Version"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if name != OWN and digest not in pins.get((name, version), ()):
        raise SbomError(f"{wheel.name}: its hash is not in the requirements")
    purl = f"pkg:pypi/{name}@{version}"
    described: Component = {
        "type": "application" if name == OWN else "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": _licences(message),
    }
    contained = [part for each in nested for part in each.get("components", ())]
    return {**described, "components": contained} if contained else described


def sbom(requirements: str, wheels: list[Path]) -> Component:
    """The whole document. Raises SbomError."""
    pins = pinned(requirements)
    components = {
        each["name"]: each for each in (component(wheel, pins) for wheel in sorted(wheels))
    }
    own = components.pop(OWN)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": list(components.values()),
    }


def _licences(message: email.message.Message) -> list[Component]:
    """By SPDX's expression where there is one, else by the author's words for it."""
    if expression := message["License-Expression"]:
        return [{"expression": expression}]
    classified = [
        each.removeprefix(_CLASSIFIED)
        for each in message.get_all("Classifier", [])
        if each.startswith(_CLASSIFIED)
    ]
    words = classified or [message["License"] or ""]
    if not words[0]:
        raise SbomError(f"{message['Name']}: says no licence")
    return [{"license": {"name": each}} for each in words]


def _normal(name: str) -> str:
    """As PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    try:
        _document = sbom(Path(sys.argv[1]).read_text(), list(Path(sys.argv[2]).glob("*.whl")))
    except SbomError as error:
        sys.exit(f"sbom.py: {error}")
    print(json.dumps(_document, indent=2, sort_keys=True))
