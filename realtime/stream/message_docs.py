"""Tables of docs/messages.md, generated from the message classes.

`python -m realtime.stream.message_docs` writes them.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import inspect as kinds

from realtime.stream.messages import TOPICS, Camera, Ground, Header, Model

DOCUMENT = Path(__file__).parents[1] / "docs" / "messages.md"
_PARTS = {Header: "Every message", Model: "Model", Camera: "Camera", Ground: "Ground"}


def tables() -> str:
    """The part of the page from its first table on."""
    parts = [_section(_PARTS[Header], Header, [])]
    inherited = [field.name for field in msgspec.structs.fields(Header)]
    for topic, kind in TOPICS.items():
        parts.append(_section(f"`{topic}`", kind, inherited))
    parts += [_section(_PARTS[kind], kind, []) for kind in (Model, Camera, Ground)]
    return "\n".join(parts)


def field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring below each field of a message."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    return dict(_documented(definition.body))


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, inspect.cleandoc(str(text.value.value)).replace("\n", " ")


def _section(title: str, kind: type[msgspec.Struct], without: list[str]) -> str:
    about = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0].removeprefix(f"Topic {title}: ")
    lines = [f"## {title}", "", about[0].upper() + about[1:], "", "| field | type | |", "|---|---|---|"]
    texts, types = field_texts(kind), {field.name: field.type for field in type_info(kind).fields}
    for name in (field.name for field in msgspec.structs.fields(kind)):
        if name not in without:
            lines.append(f"| `{name}` | {type_text(types[name])} | {texts[name]} |")
    return "\n".join([*lines, ""])


def type_info(kind: type[msgspec.Struct]) -> kinds.StructType:
    """The types of a message's fields."""
    info = kinds.type_info(kind)
    assert isinstance(info, kinds.StructType)
    return info


def type_text(kind: kinds.Type) -> str:
    """A type in words, with its limits."""
    if isinstance(kind, kinds.Metadata):
        return type_text(kind.type)
    if isinstance(kind, kinds.UnionType):
        return " or ".join(type_text(part) for part in kind.types)
    if isinstance(kind, kinds.ListType):
        return f"array of {type_text(kind.item_type)}"
    if isinstance(kind, kinds.TupleType):
        return f"{len(kind.item_types)} x {type_text(kind.item_types[0])}"
    if isinstance(kind, kinds.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, kinds.EnumType):
        return " or ".join(f"`{value.value}`" for value in kind.cls)
    if isinstance(kind, kinds.IntType):
        return "integer from 0" if kind.ge == 0 else "integer"
    if isinstance(kind, kinds.DictType):
        return f"map of {type_text(kind.key_type)} to {type_text(kind.value_type)}"
    if isinstance(kind, kinds.StructType):
        return f"[map](#{kind.cls.__name__.lower()})"
    names = {
        kinds.FloatType: "float",
        kinds.StrType: "text",
        kinds.BoolType: "true or false",
        kinds.NoneType: "nil",
    }
    return names[type(kind)]


def renewed(page: str) -> str:
    """The page with new tables."""
    return page.partition(f"## {_PARTS[Header]}\n")[0] + tables()


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text("utf-8")), encoding="utf-8")
