"""The SBOM: what is in it, and that nothing else gets into the packages."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest

from deploy.packages.sbom import SbomError, pinned, sbom

ROOT = Path(__file__).parents[2]


def wheel(folder: Path, name: str, metadata: str, files: dict[str, str] | None = None) -> Path:
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Name: {name}\nVersion: 1.0\n{metadata}\n")
        archive.writestr("bundled/_vendor/other-2.dist-info/METADATA", "Name: other\nVersion: 2\n")
        for inner, text in (files or {}).items():
            archive.writestr(f"{info}/{inner}", text)
    return file


def line(file: Path, version: str = "1.0") -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    other = "0" * 64
    name = file.name.partition("-")[0].replace("_", "-")
    return f"{name}=={version} \\\n    --hash=sha256:{other} \\\n    --hash=sha256:{digest}\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return wheel(tmp_path, "bartizan", "License-Expression: Apache-2.0")


def test_a_wheel_is_listed_with_version_hash_and_licence(tmp_path: Path, own: Path) -> None:
    file = wheel(tmp_path, "Some_Thing", "License-Expression: MIT OR Apache-2.0")
    found = sbom("# made by\n" + line(file), [own, file])
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "bartizan"
    [thing] = found["components"]
    assert thing["purl"] == thing["bom-ref"] == "pkg:pypi/some-thing@1.0"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert thing["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert thing["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    json.dumps(found)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License: BSD, of a kind", ["BSD, of a kind"]),
        ("Classifier: License :: OSI Approved :: BSD License", ["BSD License"]),
        ("License: x\nClassifier: License :: OSI Approved :: ISC\nClassifier: Topic :: y", ["ISC"]),
    ],
)
def test_a_licence_without_an_expression(
    tmp_path: Path, own: Path, metadata: str, expected: list[str]
) -> None:
    file = wheel(tmp_path, "thing", metadata)
    [thing] = sbom(line(file), [own, file])["components"]
    assert thing["licenses"] == [{"license": {"name": each}} for each in expected]


def test_what_a_wheel_contains_is_nested_in_it(tmp_path: Path, own: Path) -> None:
    inner = json.dumps({"components": [{"type": "library", "name": "openssl"}]})
    file = wheel(tmp_path, "thing", "License-Expression: MIT", {"sboms/a.json": inner})
    [thing] = sbom(line(file), [own, file])["components"]
    assert [each["name"] for each in thing["components"]] == ["openssl"]


@pytest.mark.parametrize("case", ["other bytes", "other version", "not pinned"])
def test_what_was_not_pinned_is_refused(tmp_path: Path, own: Path, case: str) -> None:
    file = wheel(tmp_path, "thing", "License-Expression: MIT")
    requirements = {
        "other bytes": line(file)[:-2] + "x\n",
        "other version": line(file, "1.1"),
        "not pinned": "",
    }[case]
    with pytest.raises(SbomError, match="its hash is not in the requirements"):
        sbom(requirements, [own, file])


def test_a_wheel_without_a_licence_is_refused(tmp_path: Path, own: Path) -> None:
    file = wheel(tmp_path, "thing", "")
    with pytest.raises(SbomError, match="thing: says no licence"):
        sbom(line(file), [own, file])


def test_every_requirement_is_pinned_by_hash() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    pins = pinned(requirements)
    assert len(pins) == len(re.findall("(?m)^[a-z].*==", requirements)) > 10
    assert all(pins.values())
