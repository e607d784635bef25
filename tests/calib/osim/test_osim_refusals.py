"""Files that are broken or hostile are refused in words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.errors import OsimError
from calib.osim.osim_xml import MAX_FILE_BYTES
from calib.skeleton import load_skeleton
from tests.support.osim_text import (
    FREE_ROOT,
    coupler,
    document,
    joint,
    linear,
    marker,
    multiplier,
    offset,
    points,
    small_model,
    spatial,
    transform_axis,
    version_3,
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def pin(name: str, parent: str, child: str, coordinate_name: str) -> str:
    return joint("PinJoint", name, parent, child, [coordinate_name])


PIN = pin("pin", "a", "b", "u")
PAIR = document("ab", [FREE_ROOT, PIN])
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1 if i else str()};" * 10}">' for i in range(12))
    + "]><OpenSimDocument>&a11;</OpenSimDocument>"
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    '<OpenSimDocument Version="40000"><Model name="&e;"/></OpenSimDocument>'
)


def axes(*lines: str) -> str:
    return document("ab", [FREE_ROOT, joint("CustomJoint", "knee", "a", "b", ["u"], spatial(*lines))])


def angle(function: str, coordinates: str = "u", axis: tuple[float, ...] = (1, 0, 0)) -> str:
    return axes(transform_axis("rotation1", coordinates, axis, function))


def tied(*couplers: str) -> str:
    return document("ab", [FREE_ROOT, PIN], (), couplers)


def cyclic_frames() -> str:
    loop = offset("a1", "/bodyset/a/a2") + offset("a2", "/bodyset/a/a1")
    return document(
        [f'<Body name="a"><components>{loop}</components></Body>'],
        [FREE_ROOT.replace("<socket_parent>/bodyset/a<", "<socket_parent>/bodyset/a/a1<")],
    )


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "not readable XML"),
    "binary": (bytes(range(256)) * 4, "not readable XML"),
    "truncated": (small_model()[:3000], "not readable XML"),
    "wrong encoding": (b'<?xml version="1.0" encoding="klingon"?><a/>', "not readable XML"),
    "entity bomb": (BOMB, "without document type or entities"),
    "external entity": (EXTERNAL, "without document type or entities"),
    "harmless document type": ("<!DOCTYPE a><a/>", "without document type or entities"),
    "deep nesting": ("<a>" * 100_000 + "</a>" * 100_000, "at most 100 deep"),
    "another document": ("<svg/>", "<svg>: no model in it; accepted: <OpenSimDocument>"),
    "beta version": (document("a", [FREE_ROOT], version=30505), "Version='30505'; accepted: 20000 to 30499"),
    "no version": ('<OpenSimDocument><Model name="m"/></OpenSimDocument>', "Version=''"),
    "odd version": ('<OpenSimDocument Version="²"><Model name="m"/></OpenSimDocument>', "Version='²'"),
    "unknown joint": (
        document("ab", [FREE_ROOT, PIN.replace("PinJoint", "WobbleJoint")]),
        '<WobbleJoint name="pin">: unknown joint; accepted: WeldJoint, PinJoint',
    ),
    "unknown function": (angle("<SineFunction>1</SineFunction>"), "unsupported function <SineFunction>"),
    "two functions": (angle(linear(1, 0) + linear(2, 0)), "2 functions; accepted: one"),
    "text for a number": (PAIR.replace("0.05 ", "wide "), "'wide -0.1 0.02'; accepted: numbers"),
    "not a number": (PAIR.replace("0.05 ", "nan "), "accepted: finite numbers"),
    "infinite": (PAIR.replace("0.05 ", "1e999 "), "accepted: finite numbers"),
    "too few numbers": (PAIR.replace("0.05 -0.1 0.02", "0.05 1"), "has 2 numbers; accepted: 3"),
    "odd flag": (PAIR.replace("<locked>false", "<locked>perhaps"), "accepted: true or false"),
    "upside-down range": (PAIR.replace("-2.0 2.0", "2.0 -2.0"), "accepted: lower then upper"),
    "nameless joint": (PAIR.replace('name="pin"', ""), "<PinJoint>: it has no name"),
    "missing body": (document("a", [FREE_ROOT, PIN]), "<socket_parent> is '/bodyset/b'"),
    "no socket": (PAIR.replace("socket_parent_frame", "gone"), "<socket_parent_frame> is missing"),
    "cyclic frames": (cyclic_frames(), "its parents lead back to itself"),
    "cyclic joints": (
        document("abc", [FREE_ROOT, pin("p", "c", "b", "u"), pin("q", "b", "c", "v")]),
        "lead back to it; accepted: a tree from ground",
    ),
    "loop": (
        document("ab", [FREE_ROOT, PIN, pin("second", "a", "b", "v")]),
        "body 'b' is moved by joints 'pin' and 'second'; accepted: one joint a body",
    ),
    "loose body": (document("ab", [FREE_ROOT]), "body 'b' has no joint"),
    "ground as a child": (
        document("a", [FREE_ROOT, pin("p", "a", "ground", "u").replace("/bodyset/ground", "/ground")]),
        "moves ground",
    ),
    "two bodies of one name": (document("abb", [FREE_ROOT, PIN]), "more than one body is called 'b'"),
    "two joints of one name": (
        document("abc", [FREE_ROOT, PIN, pin("pin", "a", "c", "v")]),
        "more than one joint is called 'pin'",
    ),
    "two coordinates of one name": (
        document("abc", [FREE_ROOT, PIN, pin("q", "a", "c", "u")]),
        "more than one coordinate is called 'u'",
    ),
    "two markers of one name": (
        document("a", [FREE_ROOT], [marker("m", "/ground", (0, 0, 0))] * 2),
        "more than one marker is called 'm'",
    ),
    "too many coordinates": (
        document("ab", [FREE_ROOT, joint("PinJoint", "pin", "a", "b", ["u", "v"])]),
        '<PinJoint name="pin">: 2 coordinates; accepted: 1',
    ),
    "no spatial transform": (
        document("ab", [FREE_ROOT, joint("CustomJoint", "knee", "a", "b", ["u"])]),
        "no <SpatialTransform>",
    ),
    "unknown coordinate": (angle(linear(1, 0), "w"), "follows unknown coordinate 'w'; accepted: u"),
    "unused coordinate": (axes(), "no axis follows coordinate 'u'"),
    "coordinates without end": (angle(linear(1, 2, 0)), "a Linear function of 1 coordinates; accepted: 2"),
    "spline of two coordinates": (
        document(
            "ab",
            [FREE_ROOT, joint("CustomJoint", "knee", "a", "b", ["u", "v"], spatial(
                transform_axis("rotation1", "u v", (1, 0, 0), points("SimmSpline", (0, 1), (0, 1)))
            ))],
        ),
        "a SimmSpline function of 2 coordinates; accepted: 1",
    ),
    "no axis": (angle(linear(1, 0), axis=(0, 0, 0)), "collinear or zero"),
    "collinear axes": (angle(linear(1, 0), axis=(0, 1, 0)), "rotation axes 1 and 2 are collinear"),
    "no points": (angle(points("SimmSpline", (), ())), "<x> is missing or empty"),
    "one point": (angle(points("SimmSpline", (1,), (1,))), "1 x and 1 y"),
    "uneven points": (angle(points("SimmSpline", (1, 2, 3), (1, 2))), "3 x and 2 y"),
    "points out of order": (angle(points("SimmSpline", (1, 3, 2), (1, 2, 3))), "x does not increase"),
    "endless multipliers": (
        angle("<MultiplierFunction><function>" * 30 + linear(1, 0) + "</function></MultiplierFunction>" * 30),
        "at most 16 deep",
    ),
    "multiplier of nothing": (angle(multiplier(2.0, "")), "it multiplies nothing"),
    "coupler of nothing": (tied(coupler("c", "u", "w", linear(1, 0))), "unknown coordinate 'w'"),
    "coupler of many": (tied(coupler("c", "u", "tx ty", linear(1, 1, 0))), "2 independent coordinates"),
    "coupler without function": (tied(coupler("c", "u", "tx", "")), "no function"),
    "coupled twice": (
        tied(coupler("c", "u", "tx", linear(1, 0)), coupler("d", "u", "ty", linear(1, 0))),
        "'u' follows more than one coupler",
    ),
    "cyclic couplers": (
        tied(coupler("c", "u", "tx", linear(1, 0)), coupler("d", "tx", "u", linear(1, 0))),
        "follows itself; accepted: couplers without cycles",
    ),
    "coupler of several": (
        tied(coupler("c", "u", "tx", linear(1, 1, 0))),
        "a Linear function of 1 coordinates; accepted: 2",
    ),
    "old joint on a missing body": (version_3().replace("_body>a<", "_body>z<"), "<parent_body> is 'z'"),
    "old marker on a missing body": (version_3().replace("<body>b<", "<body>z<"), "<body> is 'z'"),
    "old reversed joint": (version_3().replace("<reverse>false", "<reverse>true"), "<reverse> is true"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_file_and_what_is_accepted(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    path = write(tmp_path / "bad.osim", text)
    with pytest.raises(OsimError) as error:
        load_skeleton(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < 1000


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OsimError, match=r"nowhere.osim: cannot be read \(No such file"):
        load_skeleton(tmp_path / "nowhere.osim")
    with pytest.raises(OsimError, match="cannot be read"):
        load_skeleton(tmp_path)


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.osim"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(OsimError, match=f"accepted: at most {MAX_FILE_BYTES}"):
        load_skeleton(path)


def test_a_long_chain_of_bodies_needs_no_deep_stack(tmp_path: Path) -> None:
    n = 3000
    names = [f"b{i}" for i in range(n)]
    pins = [joint("PinJoint", f"j{i}", f"b{i - 1}", f"b{i}", [f"q{i}"]) for i in range(1, n)]
    root = joint("WeldJoint", "j0", "ground", "b0")
    skeleton = load_skeleton(write(tmp_path / "long.osim", document(names[::-1], [*pins, root])))
    assert skeleton.body_names == tuple(names)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(OsimError):
        load_skeleton(write(tmp_path / "bytes.osim", content))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([small_model(), version_3()]))
def test_damaged_models_load_or_are_refused_in_words(tmp_path: Path, seed: int, text: str) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.randint(1, 40))
        other = chance.choice(["", "-", "9" * 5, "ground", "<a/>", text[end : end + 20], "nan", "0 0 0", "b"])
        text = text[:start] + other + text[end:]
    try:
        load_skeleton(write(tmp_path / "damaged.osim", text))
    except OsimError as error:
        assert "damaged.osim" in str(error)
