"""The short readers in other languages print what was sent."""

from __future__ import annotations

import math
import os
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from queue import Empty, Queue

import platformdirs
import pytest

from realtime.stream.messages import Encoding
from realtime.stream.publisher import Publisher
from tests.support.bridging import SKELETON, new_publisher, pose, publish_until
from tests.support.environment import missing
from tests.support.poses import lost_sample

READERS = Path(__file__).resolve().parents[3] / "realtime" / "docs" / "readers"
NODE_PACKAGES = ("zeromq@6.8.0", "@msgpack/msgpack@3.1.3")


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Packages of the JavaScript reader, installed once into the user's cache."""
    folder = Path(platformdirs.user_cache_dir("kinecast")) / "test_node"
    try:
        node, npm = (shutil.which(name) for name in ("node", "npm"))
        if node is None or npm is None:
            raise OSError("node and npm are not installed")
        folder.mkdir(parents=True, exist_ok=True)
        words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES]
        subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=200)
    except (OSError, subprocess.SubprocessError) as error:
        missing(f"the JavaScript reader cannot run: {error}")
    return folder / "node_modules"


@contextmanager
def lines_of(words: list[str], **environment: str) -> Iterator[Queue[str]]:
    """What a program prints, line by line."""
    process = subprocess.Popen(
        words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}
    )
    lines: Queue[str] = Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join(10.0)


def check(words: list[str], *, encoding: Encoding = "msgpack", **environment: str) -> None:
    """A reader tells angles, survives a restart of the tracker, and tells NaN where nobody is."""
    with new_publisher(encoding=encoding) as first:
        address = first.address
        with lines_of([*words, address], **environment) as lines:
            hear(first, lines, 33.0)
            first.close()
            with new_publisher(address, encoding) as second:
                hear(second, lines, 71.0)
                hear(second, lines, math.nan)


def hear(publisher: Publisher, lines: Queue[str], degrees: float) -> None:
    said = []

    def sample(k: int):
        if math.isnan(degrees):
            return lost_sample(SKELETON, k, t_capture_ns=k)
        return pose(k, knee_angle_r=degrees)

    def is_told() -> bool:
        try:
            said.append(lines.get_nowait())
        except Empty:
            return False
        frame_id, angle, confidence = said[-1].split()
        if math.isnan(degrees):
            return angle.lower() == "nan" and float(confidence) == 0.0
        knee = SKELETON.coordinate_index("knee_angle_r")
        assert int(frame_id) >= 0
        return float(angle) == pytest.approx(degrees) and float(confidence) == pytest.approx(
            pose(0).confidence[knee]
        )

    publish_until(publisher, sample, is_told)


def test_python():
    check([sys.executable, str(READERS / "reader.py")])


def test_a_reader_whose_output_is_closed_ends_quietly():
    """As by `reader.py | head`."""
    with new_publisher() as publisher:
        words = [sys.executable, str(READERS / "reader.py"), publisher.address]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:

            def is_over() -> bool:
                if (
                    process.poll() is None
                    and not process.stdout.closed
                    and select.select([process.stdout], [], [], 0)[0]
                ):
                    process.stdout.readline()
                    process.stdout.close()
                return process.poll() is not None

            publish_until(publisher, lambda k: pose(k), is_over)
            assert (process.returncode, process.stderr.read()) == (0, "")


def test_javascript(node_modules: Path):
    check([shutil.which("node"), str(READERS / "reader.js")], NODE_PATH=str(node_modules))


def test_csharp(tmp_path: Path):
    """Compiled and run with stand-ins for its packages, as those come only from NuGet."""
    compiler, runtime = shutil.which("mcs"), shutil.which("mono")
    if compiler is None or runtime is None or find_library("zmq") is None:
        pytest.skip("mono or libzmq is not installed; Debian: apt install mono-mcs mono-runtime libzmq5")
    program = tmp_path / "Reader.exe"
    sources = [READERS / "Reader.cs", Path(__file__).parents[2] / "support" / "csharp" / "packages.cs"]
    words = [compiler, "-warnaserror", f"-out:{program}", *map(str, sources)]
    compiled = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    check([runtime, str(program)])


@pytest.fixture(scope="module")
def octave() -> str:
    """Octave without its window; neither developers nor continuous integration need to have it."""
    path = shutil.which("octave-cli")
    if path is None:
        pytest.skip("Octave is not installed; Debian: apt install octave octave-zeromq")
    return path


def octave_can(octave: str, statement: str, **environment: str) -> bool:
    run = subprocess.run(
        [octave, "--quiet", "--eval", f"try, {statement}; disp('it can'); end"],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    return "it can" in run.stdout


def test_octave(octave: str):
    if not octave_can(octave, "pkg load zeromq"):
        pytest.skip("Octave lacks its package zeromq; Debian: apt install octave-zeromq")
    check([octave, "--quiet", str(READERS / "reader.m")], encoding="json")


def test_octave_takes_the_branch_for_matlab(octave: str, tmp_path: Path):
    """MATLAB itself is not free; Octave's bridge to Java has the same functions."""
    jar = Path("/usr/share/java/jeromq.jar")
    java = shutil.which("java")
    home = "" if java is None else str(Path(java).resolve().parents[1])
    if not jar.exists() or not octave_can(octave, f"javaaddpath('{jar}')", JAVA_HOME=home):
        pytest.skip("JeroMQ is not installed; Debian: apt install default-jre-headless libjeromq-java")
    text = (READERS / "reader.m").read_text()
    branch = "is_octave = exist('OCTAVE_VERSION', 'builtin') ~= 0;"
    assert branch in text
    script = tmp_path / "matlab.m"
    start = f"javaaddpath('{jar}'); address = argv(){{end}}; is_octave = false;"
    flush = "if is_octave, fflush(stdout); end"
    assert flush in text
    script.write_text(text.replace(branch, start).replace(flush, "fflush(stdout);"))
    check([octave, "--quiet", str(script)], encoding="json", JAVA_HOME=home)


@pytest.mark.parametrize(
    ("name", "longest"), [("reader.py", 24), ("reader.js", 24), ("Reader.cs", 40), ("reader.m", 32)]
)
def test_readers_are_short(name: str, longest: int):
    lines = (READERS / name).read_text().splitlines()
    code = [line for line in lines if line.strip(" {}") and not line.strip().startswith(("//", "%", '"""'))]
    assert len(code) <= longest
