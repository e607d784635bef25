"""Docstrings are read as help: entries of `Args` are noun phrases with a capital."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calib", "engines", "realtime", "train")
SECTION = re.compile(r"^(Args|Attributes):\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^    (\*{0,2}\w+)(?: \(.*?\))?:[ \n]\s*(.*)", re.MULTILINE)
FRAGMENT = re.compile(r"(Of|In|From|As|That|How|For|By|On|With|To|At)\b")


def bad_entries(text: str) -> Iterator[str]:
    """Entries of a module's docstrings that do not begin with a capital, or with half a sentence."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for _, entries in SECTION.findall(f"{ast.get_docstring(node) or ''}\n"):
                for name, words in ENTRY.findall(entries):
                    if words[:1].islower() or FRAGMENT.match(words):
                        yield f"{name}: {words}"


@pytest.mark.parametrize("package", PACKAGES)
def test_arguments_are_described_by_noun_phrases(package: str):
    found = [
        f"{path.relative_to(ROOT)}: {entry}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for entry in bad_entries(path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "entry", ["n: Of the lifter.", "n: number of steps.", "**n: How.", "n (int): In px."]
)
def test_fragments_are_found(entry: str):
    text = f'def f(n):\n    """Do.\n\n    Args:\n        m: Number of steps.\n        {entry}\n    """\n'
    assert len(list(bad_entries(text))) == 1
