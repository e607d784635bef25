"""HTML and SVG elements as text; any text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"meta", "img", "br"})


class Markup(str):
    """Text that is markup already; any other text is escaped."""

    __slots__ = ()


Content = str | float | Iterable["Content"]


def element(tag: str, *content: Content, **attributes: str | float | None) -> Markup:
    """One element.

    Args:
        tag: Name of the element.
        content: Text, elements, or lists of them.
        attributes: Attributes; `class_` is written as `class`, `font_size` as `font-size`; None omits one.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    opened = f"<{tag}{written}>"
    return Markup(opened if tag in VOID else f"{opened}{join(content)}</{tag}>")


def join(content: Content) -> Markup:
    """Content as markup."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | float | int):
        return Markup(escape(_text(content), quote=False))
    return Markup("".join(join(part) for part in content))


def table(caption: str, head: Iterable[str], rows: Iterable[Iterable[Content]]) -> Markup:
    """A table whose first column holds the names of the rows."""
    heads = element("tr", [element("th", name, scope="col") for name in head])
    body = []
    for row in rows:
        first, *others = row
        cells = [element("td", cell) for cell in others]
        body.append(element("tr", element("th", first, scope="row"), cells))
    whole = element("table", element("caption", caption), element("thead", heads), element("tbody", body))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
