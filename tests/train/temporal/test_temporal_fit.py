"""Fitting causal networks: what is drawn from clips, and that time is used to learn the person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from train.errors import TrainError  # noqa: E402
from train.temporal.fit import (  # noqa: E402
    ClipSampler,
    TemporalBatch,
    TemporalClip,
    TemporalOptions,
    batch_loss,
    fit_temporal,
    normalise,
    predict,
)
from train.temporal.kinds import NETWORKS, make_network  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _threads(one_torch_thread: None) -> None:
    pass


def numbered_clip(number: int, n: int) -> TemporalClip:
    """A clip whose inputs tell which clip and frame they are, and whose targets tell the time."""
    rng = np.random.default_rng(number)
    dt_s = rng.uniform(0.01, 0.1, n).astype(np.float32)
    x = np.stack([np.full(n, number), np.arange(n)], -1).astype(np.float32)
    valid = rng.random(n) < 0.8
    return TemporalClip(x, dt_s, valid, dt_s.cumsum()[:, None], np.full(n, 2.0, np.float32))


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    thin=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_what_is_drawn_is_a_stretch_of_one_clip(lengths: list[int], thin: float, seed: int) -> None:
    clips = [numbered_clip(k, n) for k, n in enumerate(lengths)]
    options = TemporalOptions(batch_size=6, n_frames=10, max_history=40, thin=thin)
    batch = ClipSampler(clips, options, np.random.default_rng(seed)).draw()
    assert batch.x.shape[0] in (6, 12, 18, 24) and batch.x.shape[1] <= 40
    for x, dt_s, valid, target, weight in zip(
        batch.x, batch.dt_s, batch.valid, batch.target, batch.weight, strict=True
    ):
        # Clips have frames of which some are not valid; the padding in front has none.
        start = next(k for k in range(len(x)) if target[k, 0] > 0)
        assert not valid[:start].any() and not dt_s[: start + 1].any()
        clip = clips[int(x[start, 0])]
        frames = x[start:, 1].numpy().astype(int)
        assert (np.diff(frames) == 1).all() if thin == 0.0 else (np.diff(frames) >= 1).all()
        assert thin > 0.0 or len(frames) >= min(10, len(clip))
        assert (x[start:, 0] == x[start, 0]).all()
        np.testing.assert_array_equal(valid[start:], clip.valid[frames])
        np.testing.assert_array_equal(weight[start:], np.where(clip.valid[frames], 2.0, 0.0))
        np.testing.assert_allclose(dt_s[start + 1 :], np.diff(target[start:, 0]), atol=1e-5)


def test_histories_are_short_and_long() -> None:
    options = TemporalOptions(batch_size=4, n_frames=16, max_history=500, thin=0.0)
    sampler = ClipSampler([numbered_clip(0, 600)], options, np.random.default_rng(0))
    seen = np.concatenate([(sampler.draw().target[..., 0] > 0).sum(1).numpy() for _ in range(100)])
    assert seen.min() == 16 and seen.max() > 400
    assert 0.2 < (seen < np.sqrt(16 * 500)).mean() < 0.8


def squared_error(batch: TemporalBatch, y: torch.Tensor) -> torch.Tensor:
    return ((y - batch.target).square().mean(-1) * batch.weight).sum() / batch.weight.sum()


def test_the_loss_is_of_the_newest_frames_with_all_before_them_seen() -> None:
    network = make_network("gru", 2, 1, width=8, n_slow=4).eval()
    torch.nn.init.normal_(network.head.weight)
    options = TemporalOptions(batch_size=3, n_frames=5, max_history=20, thin=0.0)
    batch = ClipSampler([numbered_clip(0, 40)], options, np.random.default_rng(1)).draw()
    whole = network(batch.x, batch.dt_s, batch.valid)[:, -5:]
    expected = squared_error(batch.newest(5), whole)
    assert batch.newest(5).x.shape == (3, 5, 2)
    torch.testing.assert_close(batch_loss(network, batch, squared_error, options), expected)


def biased_clips(n_clips: int, seed: int) -> list[TemporalClip]:
    """Each person has an offset of its own, of which every frame shows a noisy sign."""
    rng = np.random.default_rng(seed)
    clips = []
    for _ in range(n_clips):
        n = int(rng.integers(40, 80))
        offset = rng.normal()
        x = np.stack([offset + rng.normal(size=n), rng.normal(size=n)], -1).astype(np.float32)
        valid = rng.random(n) < 0.9
        x[~valid] = np.nan
        clips.append(TemporalClip(x, np.full(n, 1 / 30, np.float32), valid,
                                  np.full((n, 1), offset, np.float32), np.ones(n, np.float32)))  # fmt: skip
    return clips


@pytest.mark.parametrize("kind", ["tcn", "gru"])
def test_time_is_used_to_learn_the_person(kind: str) -> None:
    """One frame leaves half of the offset's variance open; a second leaves a thirtieth."""
    network = make_network(kind, 2, 1, width=16, n_slow=8)
    clips = biased_clips(200, 0)
    normalise(network, clips, np.array([0.5], np.float32))
    options = TemporalOptions(
        epochs=2, steps_per_epoch=40, batch_size=16, n_frames=24, max_history=70, learning_rate=1e-2
    )
    told: list[float] = []
    fit_temporal(network, lambda _: clips, squared_error, options, lambda _, loss, __: told.append(loss))
    assert told[1] < told[0]
    early, late = [], []
    for clip in biased_clips(60, 1):
        error = (predict(network, clip) - clip.target)[:, 0] ** 2
        assert (np.isnan(error) == ~clip.valid).all()
        early.append(error[:2])
        late.append(error[30:])
    assert np.nanmean(np.concatenate(late)) < 0.2 < np.nanmean(np.concatenate(early)) < 0.9


def test_same_seed_same_weights() -> None:
    clips = biased_clips(5, 0)
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        network = make_network("tcn", 2, 1, width=8, n_slow=4, dropout=0.1)
        options = TemporalOptions(epochs=1, steps_per_epoch=3, batch_size=4, n_frames=16, input_noise=0.1)
        fit_temporal(network, lambda _: clips, squared_error, options)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("kind", tuple(NETWORKS))
def test_every_kind_fits_in_bfloat16_too(kind: str) -> None:
    network = make_network(kind, 2, 1, width=8, n_slow=4)
    options = TemporalOptions(
        epochs=1, steps_per_epoch=1, batch_size=2, n_frames=8, max_history=20, bf16=True
    )
    fit_temporal(network, lambda _: biased_clips(3, 0), squared_error, options)
    assert network.head.weight.abs().max() > 0.0 and network.head.weight.dtype == torch.float32


def test_nothing_to_learn_and_numbers_that_are_none_are_refused() -> None:
    network = make_network("tcn", 2, 1, width=8)
    options = TemporalOptions(epochs=1, steps_per_epoch=1, batch_size=2, n_frames=8)
    with pytest.raises(TrainError, match="no clip has a frame"):
        fit_temporal(network, lambda _: [], squared_error, options)
    with pytest.raises(TrainError, match="loss is nan in epoch 0"):
        fit_temporal(network, lambda _: biased_clips(2, 0), lambda _, y: y.mean() * torch.nan, options)
