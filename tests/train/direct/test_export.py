"""From a checkpoint to live use: export equals torch, the table compares, wrong files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from calib.skeleton import load_skeleton  # noqa: E402
from engines.features.direct_outputs import OUTPUTS  # noqa: E402
from engines.runtimes.openvino_engine import OpenvinoEngine  # noqa: E402
from engines.spec import load_spec  # noqa: E402
from realtime import cli  # noqa: E402
from tests.support.direct_set import recipe_of, write_set  # noqa: E402
from train.bodies.puppet import PuppetPool  # noqa: E402
from train.direct import export as direct_export  # noqa: E402
from train.direct.checkpoint import load_network  # noqa: E402
from train.direct.compare import Variant  # noqa: E402
from train.direct.encoders import make as encoders  # noqa: E402
from train.direct.layout import DirectLayout  # noqa: E402
from train.direct.network import DirectModel, NetworkConfig  # noqa: E402
from train.errors import TrainError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

LAYOUT = DirectLayout.of(load_skeleton())


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders.ENCODERS, "tiny", ("tests.support.direct_set", "tiny_encoder"))
    monkeypatch.setitem(encoders.INPUT_PX, "tiny", 64)


def network(head: str = "kinecast") -> DirectModel:
    torch.manual_seed(1)
    made = DirectModel(NetworkConfig("tiny", head, 64), LAYOUT)
    made.train()  # so that normalisation has seen images
    with torch.no_grad():
        made(torch.rand(16, 3, 64, 64), torch.rand(16, 1))
    return made.eval()


def test_openvino_runs_what_torch_computes(tmp_path: Path) -> None:
    path, made = tmp_path / "direct.onnx", network()
    spec = direct_export.export_direct(made, LAYOUT, path, "tiny")
    assert load_spec(path) == spec and spec.coordinate_names == LAYOUT.coordinate_names
    assert spec.inputs[0].shape == (64, 64, 3)
    engine = OpenvinoEngine(path, outputs=OUTPUTS)
    rng = np.random.default_rng(3)
    for _ in range(3):
        picture_bgr = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        zoom = np.array([[0.7]], np.float32)
        outputs = dict(zip(OUTPUTS, engine.infer(picture_bgr[None], zoom), strict=True))
        rgb = torch.from_numpy(picture_bgr[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255.0
        with torch.no_grad():
            expected = made(rgb, torch.from_numpy(zoom))
        for name, value in (
            ("R_crop_pelvis", expected.R_root), ("q", expected.q), ("sigma", expected.sigma),
            ("scale_factors", expected.scale_factors), ("joints_m", expected.joints_m),
            ("markers_m", expected.markers_m), ("joints_uv", expected.joints_uv),
            ("presence", expected.presence.sigmoid()),
        ):  # fmt: skip
            np.testing.assert_allclose(outputs[name], value.numpy(), atol=1e-3, err_msg=name)
        assert 0.0 <= outputs["confidence"].min() and outputs["confidence"].max() <= 1.0


def test_a_network_that_differs_in_onnx_is_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_export, "PARITY", 1e-12)
    with pytest.raises(TrainError, match="ONNX Runtime differs from torch by"):
        direct_export.export_direct(network(), LAYOUT, tmp_path / "direct.onnx", "tiny")
    assert not list(tmp_path.iterdir())


def test_heads_that_do_not_run_live_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="tiny with head d3ke is for comparison and does not run live"):
        direct_export.export_direct(network("d3ke"), LAYOUT, tmp_path / "direct.onnx", "tiny")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vgg", "no encoder 'vgg'"),
        ("tiny:d4ke", "no preset 'd4ke'"),
        ("tiny:kinecast-jionts", "no term 'jionts'"),
    ],
)
def test_variants_that_do_not_exist(text: str, complaint: str) -> None:
    with pytest.raises(TrainError, match=complaint):
        Variant.parse(text)


def test_variants_read_back_as_written() -> None:
    for text in ("tiny:kinecast", "tiny:d3ke-body", "tiny:kinecast-points-flip"):
        assert str(Variant.parse(text)) == text
    assert Variant.parse("tiny") == Variant("tiny")


def test_one_command_compares_and_another_exports(
    pool: PuppetPool, bodies_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(pool) == 24
    recipe = recipe_of(bodies_path)
    data = write_set(tmp_path / "set", recipe, recipe.open(), 16)
    out = tmp_path / "table"
    words = [
        "train", "compare", "tiny", "tiny:d3ke", "tiny:kinecast-points-flip", "--data", str(data),
        "--held-out", str(data), "--out", str(out), "--images", "32", "--batch", "16", "--workers", "0",
    ]  # fmt: skip
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert said.count("| `tiny:") == 3 and "MPBLPE" in said
    rows = json.loads((out / "comparison.json").read_text())
    assert [row["variant"] for row in rows] == ["tiny:kinecast", "tiny:d3ke", "tiny:kinecast-points-flip"]
    assert all(row["score"]["pictures"] == 16 for row in rows)
    exported = tmp_path / "net.onnx"
    assert cli.main(["train", "export", str(out / "tiny_kinecast"), "--out", str(exported)]) == 0
    assert "--estimator direct --model-path" in capsys.readouterr().out
    assert load_spec(exported).name == "tiny after 32 images"
    weights = exported.with_suffix(".safetensors")
    assert weights.stat().st_size < 0.6 * exported.stat().st_size
    assert str(tmp_path).encode() not in weights.read_bytes()  # it is for others
    halved, trained = (load_network(path, LAYOUT.skeleton)[0] for path in (weights, out / "tiny_kinecast"))
    for a, b in zip(halved.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    start = ["train", "spatial", "--encoder", "tiny", "--data", str(data), "--weights", str(weights)]
    assert (
        cli.main([*start, "--out", str(tmp_path / "on"), "--images", "16", "--batch", "16", "--workers", "0"])
        == 0
    )
    moved = dict(load_network(tmp_path / "on", LAYOUT.skeleton)[0].named_parameters())
    for name, before in halved.named_parameters():  # not started anew
        torch.testing.assert_close(moved[name], before, atol=0.01, rtol=0.0)
    assert cli.main([*start, "--out", str(tmp_path / "off"), "--preset", "d3ke"]) == 2
    assert "holds tiny with head kinecast, not tiny with d3ke" in capsys.readouterr().err
    assert cli.main(["train", "export", str(out / "tiny_d3ke"), "--out", str(exported)]) == 2
    assert cli.main(["train", "export", str(out / "tiny_kinecast"), "--out", "net.pt"]) == 2
    assert "must end in .onnx" in capsys.readouterr().err
