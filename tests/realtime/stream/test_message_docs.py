"""The page about the messages says what the messages are."""

from __future__ import annotations

import msgspec
import pytest

from realtime.stream.message_docs import DOCUMENT, field_texts, renewed, tables
from realtime.stream.messages import TOPICS, Camera, Header, Model, json_schema

KINDS = [*TOPICS.values(), Header, Model, Camera]


def test_the_page_is_up_to_date() -> None:
    page = DOCUMENT.read_text("utf-8")
    assert page == renewed(page), "run: python -m realtime.stream.message_docs"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_explained(kind: type[msgspec.Struct]) -> None:
    inherited = () if kind is Header else msgspec.structs.fields(Header) if issubclass(kind, Header) else ()
    own = {field.name for field in msgspec.structs.fields(kind)} - {field.name for field in inherited}
    texts = field_texts(kind)
    assert own == set(texts)
    assert all(text.endswith(".") for text in texts.values())


def test_the_page_names_every_field_that_the_schema_names() -> None:
    page = tables()
    for definition in json_schema()["$defs"].values():
        for name in definition.get("properties", {}):
            assert f"| `{name}` |" in page
