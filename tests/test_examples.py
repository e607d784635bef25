"""Every example that readers are shown: Python runs, and commands take the options that are written there."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import threading
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime import cli, client
from realtime.recording.recorder import Recorder
from tests.support.bridging import new_publisher
from tests.support.poses import random_sample
from tests.support.published import published
from tests.support.streams import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calib", "engines", "realtime", "train")
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ADDRESS = "tcp://127.0.0.1:5570"
N_SAMPLES = 3


@dataclass(frozen=True)
class Example:
    """A block of code that readers are shown."""

    where: str
    language: str
    text: str


def blocks(where: str, text: str) -> Iterator[Example]:
    for indent, language, code in FENCE.findall(text):
        line = text[: text.index(code)].count("\n") + 1
        yield Example(f"{where}:{line}", language, textwrap.dedent(indent + code).strip())


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def pages() -> list[Path]:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return documents + sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.md"))


SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
EXAMPLES = [e for p in pages() for e in blocks(p.relative_to(ROOT).as_posix(), p.read_text())]
EXAMPLES += [e for p in SOURCES for d in docstrings(p) for e in blocks(p.relative_to(ROOT).as_posix(), d)]
PYTHON = [e for e in EXAMPLES if e.language == "python"]


def commands(text: str) -> Iterator[list[str]]:
    """Words of each kinecast command of a shell block, without the name of the program."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "..." in words:  # not all is written there
            continue
        if words and words[0] in ("kinecast", ".venv/bin/kinecast"):
            yield words[1:]
        elif "realtime.cli" in words:  # python -m, torchrun -m
            yield words[words.index("realtime.cli") + 1 :]


SHELL = [
    (e.where, words) for e in EXAMPLES if e.language in ("sh", "bash", "shell") for words in commands(e.text)
]
INLINE = sorted(
    {
        (p.relative_to(ROOT).as_posix(), text)
        for p in pages()
        for text in re.findall(r"`kinecast ([a-z][^`]*)`", p.read_text())
    }
)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


class Finite(client.Subscription):
    """A subscription that ends after a few samples."""

    n_left = N_SAMPLES

    def __next__(self) -> Any:
        if not self.n_left:
            raise StopIteration
        self.n_left -= 1
        return super().__next__()


@pytest.fixture
def tracker(skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tracker that publishes somebody, where examples look for it."""
    stop = threading.Event()
    with new_publisher() as publisher:

        def subscribe(address: str, **options: Any) -> Finite:
            assert address == ADDRESS
            return Finite(publisher.address, timeout_s=PATIENCE_S, **options)

        def publish() -> None:
            k = 0
            while not stop.wait(0.02):
                publisher.send(random_sample(skeleton, k := k + 1))

        monkeypatch.setattr(client, "subscribe", subscribe)
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def people(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small set of synthetic people in the folder `people`, and a stream of them that ends."""
    pytest.importorskip("torch", reason="needs the extra kinecast[train]")
    from tests.support.direct_set import recipe_of, write_set
    from train.synth import stream as module

    recipe = recipe_of(request.getfixturevalue("bodies_path"))
    assert len(request.getfixturevalue("pool"))  # fitted
    write_set(tmp_path / "people", recipe, recipe.open(), 2)
    endless = module.stream

    def stream(wanted: module.Recipe, **options: Any) -> Iterator[Any]:
        return islice(endless(recipe_of(recipe.bodies, wanted.seed), **{**options, "workers": 1}), 2)

    monkeypatch.setattr(module, "stream", stream)


@pytest.mark.parametrize("example", PYTHON, ids=[e.where for e in PYTHON])
def test_python_runs(
    example: Example,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    skeleton: Skeleton,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    if "subscribe(" in example.text:
        request.getfixturevalue("tracker")
    if "Tracker(" in example.text:
        for name in ("pose_landmark_full", "pose_detection", "demo_clip"):
            clip = published(name)
        (tmp_path / "walk.mp4").symlink_to(clip)
    if "train.synth" in example.text:
        request.getfixturevalue("people")
    with Recorder(tmp_path / "DIR", skeleton) as recorder:
        for k in range(N_SAMPLES):
            recorder.write(random_sample(skeleton, k))
    exec(compile(example.text, example.where, "exec"), {"__name__": "example"})
    assert ("print(" in example.text) == bool(capsys.readouterr().out)


def test_examples_are_found():
    places = {e.where.partition(":")[0] for e in PYTHON}
    assert {
        "README.md",
        "realtime/docs/python.md",
        "train/README.md",
        "realtime/client.py",
        "train/synth/stream.py",
    } <= places
    assert len(SHELL) > 30 and len(INLINE) > 30


def test_code_in_docstrings_is_fenced():
    bare = re.compile(r"^\s*(>>>|import \w+$|from [\w.]+ import )", re.MULTILINE)
    assert not [str(p) for p in SOURCES for d in docstrings(p) if bare.search(FENCE.sub("", d))]


@pytest.mark.parametrize(("where", "words"), SHELL, ids=[f"{w} {' '.join(c)}"[:80] for w, c in SHELL])
def test_commands_are_taken(where: str, words: list[str], monkeypatch: pytest.MonkeyPatch):
    def refuse(parser: ArgumentParser, message: str) -> None:
        raise AssertionError(f"{where}: kinecast {shlex.join(words)}: {message}")

    monkeypatch.setattr(cli.PlainParser, "error", refuse)
    cli.build_parser(words).parse_args(words)


@pytest.mark.parametrize(("where", "text"), INLINE, ids=[f"{w} {t}"[:80] for w, t in INLINE])
def test_commands_in_sentences_exist(where: str, text: str):
    words = text.split()
    parser: ArgumentParser = cli.build_parser(words)
    while (
        words and (chosen := subparsers(parser)) is not None and not words[0].isupper() and words[0] != "..."
    ):
        assert words[0] in chosen, f"{where}: kinecast {text}"
        parser = chosen[words.pop(0)]
    known = set(parser._option_string_actions)
    assert {w.partition("=")[0] for w in words if w.startswith("--")} <= known, f"{where}: kinecast {text}"


def subparsers(parser: ArgumentParser) -> dict[str, ArgumentParser] | None:
    found = (a.choices for a in parser._actions if isinstance(a, _SubParsersAction))
    return next(found, None)  # type: ignore[arg-type]
