"""edge. Makes the reference of each daemon's configuration out of its code, so that both agree.

For reading, docs/reference-NAME.md, and for copying, deploy/config/NAME.toml. With --check nothing
is written: what differs is named, and the exit code is 1.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo

from daemons.key_types import bare, choices_of, expected, is_table, items_of, metas, values_of
from pam_agent.config_file import AgentFile
from relay.config_file import Config

ROOT: Final = Path(__file__).parents[1]
FILES: Final[dict[str, type[Struct]]] = {"agent": AgentFile, "relay": Config}
"""The Struct of each daemon's whole file. Its keys' docstrings are the text."""
SAMPLES: Final = "deploy/config"
WIDTH: Final = 100
COMMENT_WIDTH: Final = 80


@dataclass(frozen=True)
class Key:
    """One key, with its docstring; `example` for one that has no default."""

    name: str
    text: str
    takes: str
    default: object
    example: object


@dataclass(frozen=True)
class Table:
    """A table with its keys. `heading` as TOML has it, empty for what is above all tables."""

    heading: str
    text: str
    keys: tuple[Key, ...]
    free: str = ""
    """For a table whose keys are free: an example of its lines."""


def tables(file: type[Struct]) -> Iterator[Table]:
    """What is above all tables, then each table in its order."""
    fields = msgspec.structs.fields(file)
    said = docstrings(file)
    inner = [field for field in fields if _struct(field.type) or values_of(field.type)]
    above = tuple(_key(field, said) for field in fields if field not in inner)
    yield Table("", _flat(file.__doc__), above)
    for field in inner:
        struct = _struct(field.type)
        if struct is not None:
            keys = tuple(_key(each, docstrings(struct)) for each in msgspec.structs.fields(struct))
            yield Table(_heading(field), _flat(struct.__doc__), keys)
        else:
            yield _free_table(field, said)


def _struct(kind: Any) -> type[Struct] | None:
    """The Struct of a key that is a table, an array of tables, or tables by name."""
    for each in (kind, items_of(kind), values_of(kind)):
        if each is not None and is_table(each):
            found: type[Struct] = bare(each)
            return found
    return None


def _heading(field: FieldInfo) -> str:
    if items_of(field.type) is not None:
        return f"[[{field.encode_name}]]"
    if values_of(field.type) is not None:
        return f"[{field.encode_name}.{_example(field)}]"
    return f"[{field.encode_name}]"


def _free_table(field: FieldInfo, said: dict[str, str]) -> Table:
    lines = "\n".join(f"{name} = {toml(value)}" for name, value in _example(field).items())
    return Table(f"[{field.encode_name}]", said[field.name], (), lines)


def _key(field: FieldInfo, said: dict[str, str]) -> Key:
    default = field.default
    if field.default_factory is not NODEFAULT:
        default = field.default_factory()
    if default is NODEFAULT:
        default = None
    takes = expected(field.type) + ("; needed" if field.required else "")
    return Key(field.encode_name, said[field.name], takes, default, _example(field))


def _example(field: FieldInfo) -> Any:
    for meta in metas(field.type):
        if meta.examples:
            return meta.examples[0]
    choices = choices_of(bare(field.type))
    return choices[0] if choices else None


def docstrings(struct: type[Struct]) -> dict[str, str]:
    """The string below each of a class's fields."""
    source = ast.parse(textwrap.dedent(inspect.getsource(struct)))
    (body,) = [node.body for node in source.body if isinstance(node, ast.ClassDef)]
    found = {}
    for line, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            match below:
                case ast.Expr(ast.Constant(str(text))):
                    found[line.target.id] = _flat(text)
                case _:
                    found[line.target.id] = ""
    return found


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def toml(value: Any) -> str:
    """A value as TOML has it."""
    match value:
        case Enum():
            return json.dumps(value.value)
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(toml(each) for each in value)}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


# ---- for reading ---------------------------------------------------------------------------------


def page(name: str, file: type[Struct]) -> str:
    """The reference in Markdown."""
    program = f"bartizan-{name}"
    out = [
        f"# {program}: the configuration",
        _wrapped(
            f"A TOML file, `/etc/bartizan/{name}.toml` unless `--config` names another. Every key"
            f" is optional. `{program} check-config` reads it and says every mistake."
            f" [{SAMPLES}/{name}.toml](../{SAMPLES}/{name}.toml) has every key with its default, to"
            " be copied. This page is made from the code by `make reference`."
        ),
    ]
    for table in tables(file):
        out.append(f"## `{table.heading}`" if table.heading else "## Above all tables")
        if table.heading and table.text:
            out.append(_wrapped(table.text))
        out += [_entry(key) for key in table.keys]
        if table.free:
            out.append(f"```toml\n{table.heading}\n{table.free}\n```")
    return "\n\n".join(out) + "\n"


def _entry(key: Key) -> str:
    default = "" if key.default is None else f" Default: `{toml(key.default)}`."
    text = f"- **`{key.name}`**: {key.takes}.{default} {key.text}"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


# ---- for copying ---------------------------------------------------------------------------------


def sample(name: str, file: type[Struct]) -> str:
    """The same as a TOML file in which every key is commented out, `#key = default`."""
    out = [
        _comment(
            f"bartizan-{name}: the configuration. Every key is optional; what is here is its"
            f" default, or an example where there is none. bartizan-{name} check-config reads it"
            " and says every mistake."
        )
    ]
    for table in tables(file):
        lines = [_comment(table.text), f"#{table.heading}"] if table.heading else []
        for key in table.keys:
            value = key.example if key.default is None else key.default
            lines.append(f"{_comment(f'{key.text} ({key.takes})')}\n#{key.name} = {toml(value)}")
        lines += [f"#{line}" for line in table.free.splitlines()]
        out.append("\n".join(lines) if table.heading else "\n\n".join(lines))
    return "\n\n".join(out) + "\n"


def _comment(text: str) -> str:
    return textwrap.fill(
        text, COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def main() -> int:
    """Write all, or check all."""
    stale = 0
    for name, file in FILES.items():
        for path, text in (
            (ROOT / "docs" / f"reference-{name}.md", page(name, file)),
            (ROOT / SAMPLES / f"{name}.toml", sample(name, file)),
        ):
            if path.exists() and path.read_text() == text:
                continue
            stale += 1
            if "--check" in sys.argv[1:]:
                print(f"{path.relative_to(ROOT)}: not what the code says: make reference")
            else:
                path.write_text(text)
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
