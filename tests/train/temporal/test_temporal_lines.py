"""LineSmoother through the last frames: least squares, stillness, steady motion, sudden steps."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.train.temporal.test_temporal_networks import random_network, run_steps, sequences  # noqa: E402
from train.temporal.kinds import NETWORKS  # noqa: E402
from train.temporal.lines import (  # noqa: E402
    MAX_LOG_AGE,
    MAX_LOG_TRUST,
    MIN_LOG_AGE,
    N_TAPS,
    SHORTEST_S,
    USUAL_AGE_S,
    LineSmoother,
)
from train.temporal.network import CausalNetwork  # noqa: E402

COLUMNS = range(1, 5)
N_OUT = 6
KINDS = tuple(NETWORKS)


@pytest.fixture(autouse=True, scope="module")
def _threads(one_torch_thread: None) -> None:
    pass


def smoothing_network(kind: str, seed: int = 0) -> CausalNetwork:
    return random_network(kind, seed, n_out=N_OUT, lines=COLUMNS)


def lines_of(q: np.ndarray, dt_s: np.ndarray, raw: torch.Tensor) -> np.ndarray:
    """The smoothed coordinates. Shape: (t, 4)."""
    x = torch.from_numpy(np.pad(q, ((0, 0), (1, 2)))).float()[None]
    dt = torch.from_numpy(dt_s).float()[None]
    y = LineSmoother(COLUMNS)(x, raw, dt, torch.ones_like(dt, dtype=torch.bool))
    return y[0, :, :4].numpy() + q


def told(n: int, *, log_age: float = MAX_LOG_AGE, use: float = 20.0) -> torch.Tensor:
    """Equal trust for all frames. Shape: (1, n, 13)."""
    raw = torch.zeros(1, n, 13)
    raw[..., 4:8], raw[..., 8:12] = log_age, use
    return raw


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_frame_by_frame_equals_the_whole_sequence(kind: str) -> None:
    network = smoothing_network(kind, 1)
    x, dt_s, valid = sequences(2, 90, 1)
    whole = network(x, dt_s, valid)
    assert whole.shape == (2, 90, N_OUT) and whole.isfinite().all()
    torch.testing.assert_close(run_steps(network, x, dt_s, valid)[valid], whole[valid], atol=1e-5, rtol=1e-5)
    for first in (5, 40, 80):
        part, kept = network(x, dt_s, valid, first), valid[:, first:]
        torch.testing.assert_close(part[kept], whole[:, first:][kept], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_future_changes_nothing() -> None:
    network = smoothing_network("tcn")
    x, dt_s, valid = sequences(2, 90, 3)
    x = x.nan_to_num()
    before = network(x, dt_s, valid)
    for k, other in enumerate(sequences(2, 90, 4)):
        changed = [x.clone(), dt_s.clone(), valid.clone()]
        changed[k][:, 51:] = other[:, 51:].nan_to_num()
        assert torch.equal(network(*changed)[:, :51], before[:, :51])


def test_every_weight_learns() -> None:
    network = smoothing_network("tcn")
    x, dt_s, valid = sequences(2, 80)
    network(x, dt_s, valid)[valid].square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0.0, name


def test_lines_are_least_squares() -> None:
    rng = np.random.default_rng(0)
    n = 50
    q, dt_s = rng.normal(0.0, 0.3, (n, 4)), rng.uniform(0.01, 0.06, n)
    raw = torch.from_numpy(rng.normal(0.0, 1.0, (1, n, 13))).float()
    found = lines_of(q, dt_s, raw)
    t_s = dt_s.cumsum()
    for frame in (3, 31, 49):
        taps = np.arange(max(0, frame - N_TAPS + 1), frame + 1)
        age = t_s[frame] - t_s[taps]
        for k in range(4):
            trust, log_age, use = raw[0, taps, k].numpy(), float(raw[0, frame, 4 + k]), raw[0, frame, 8 + k]
            trust = MAX_LOG_TRUST * np.tanh(trust / MAX_LOG_TRUST)
            log_age = np.clip(log_age, MIN_LOG_AGE, MAX_LOG_AGE)
            weight = np.exp(trust - age / (USUAL_AGE_S * np.exp(log_age)))
            weight /= weight.sum()
            # A ridge on the slope is a further equation; the mean is what the line is at the mean age.
            mean_age = weight @ age
            design = np.concatenate([np.sqrt(weight) * (age - mean_age), [SHORTEST_S]])
            centred = q[taps, k] - weight @ q[taps, k]
            slope = np.linalg.lstsq(design[:, None], np.append(np.sqrt(weight) * centred, 0.0), rcond=None)[0]
            expected = weight @ q[taps, k] - torch.sigmoid(use).item() * slope[0] * mean_age
            assert found[frame, k] == pytest.approx(expected, abs=2e-5)


def test_what_rests_is_left_alone_and_steady_motion_is_not_late() -> None:
    n = 60
    dt_s = np.random.default_rng(1).uniform(0.01, 0.06, n)
    still = np.tile([0.4, -0.3, 2.0, 1.0], (n, 1))
    raw = torch.from_numpy(np.random.default_rng(2).normal(size=(1, n, 13))).float()
    np.testing.assert_allclose(lines_of(still, dt_s, raw), still, atol=1e-5)
    moving = np.outer(dt_s.cumsum(), [0.0, 0.0, 0.0, 2.0])
    late = lines_of(moving, dt_s, told(n, use=-20.0))[40:, 3] - moving[40:, 3]
    in_time = lines_of(moving, dt_s, told(n))[40:, 3] - moving[40:, 3]
    assert (late < -0.05).all()
    assert np.abs(in_time).max() < 0.02


def test_noise_is_averaged_out() -> None:
    n = 400
    q = np.random.default_rng(3).normal(0.0, 0.05, (n, 4))
    smooth = lines_of(q, np.full(n, 1.0 / 30.0), told(n, use=-20.0))[N_TAPS:]
    assert smooth.std() < 0.5 * q.std()


def test_the_long_past_never_outweighs_the_present() -> None:
    """Whatever a network says: half a second after a step of everything, what is left of it is little."""
    n = 60
    q = np.where(np.arange(n)[:, None] < 30, 0.0, 1.0) * np.ones((1, 4))
    raw = torch.zeros(1, n, 12)
    raw[:, :30, :4], raw[:, 30:, :4] = 50.0, -50.0
    raw[..., 4:8], raw[..., 8:12] = 50.0, -50.0
    smooth = lines_of(q, np.full(n, 1.0 / 30.0), torch.cat([raw, raw[..., :1]], -1))
    assert (smooth[30] < 0.5).all()
    assert (smooth[45] > 0.9).all()
