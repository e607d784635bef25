"""Causal networks: live they give what they gave in training, from the past alone, however long they run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from train.errors import TrainError  # noqa: E402
from train.temporal.elapsed import MAX_AGE_S, since_seen  # noqa: E402
from train.temporal.kinds import NETWORKS, make_network  # noqa: E402
from train.temporal.network import CausalNetwork  # noqa: E402
from train.temporal.slow import DECAY_PER_S, SlowState  # noqa: E402

N_IN, N_OUT = 7, 5
KINDS = tuple(NETWORKS)
LONGEST = {"tcn": 150, "gru": 150, "transformer": 150, "unet": 60}
"""Beyond each window, as far as it is quick."""
SMALL = {"tcn": 24, "gru": 24, "transformer": 24, "unet": 8}


@pytest.fixture(autouse=True, scope="module")
def _threads(one_torch_thread: None) -> None:
    pass


def random_network(kind: str, seed: int = 0, n_out: int = N_OUT, **options: Any) -> CausalNetwork:
    """Weights and normalisation at random; the head not zero."""
    torch.manual_seed(seed)
    network = make_network(kind, N_IN, n_out, width=SMALL[kind], n_slow=6, **options).eval()
    torch.nn.init.normal_(network.head.weight, std=0.3)
    scale = 0.5 + torch.rand(len(network.output_scale))
    network.set_normalisation(torch.randn(N_IN), 0.5 + torch.rand(N_IN), scale)
    return network


def sequences(b: int, t: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors at 15, 30 and 60 fps with frames dropped, and stretches without anybody (of which x is NaN)."""
    g = torch.Generator().manual_seed(seed)
    rate = torch.tensor([15.0, 30.0, 60.0])[torch.randint(3, (b, 1), generator=g)]
    dropped = (torch.rand(b, t, generator=g) < 0.1) * torch.randint(1, 40, (b, t), generator=g)
    dt_s = (1.0 + dropped) / rate * (1.0 + 0.1 * torch.rand(b, t, generator=g))
    dt_s[:, 0] = 0.0
    chance = torch.nn.functional.avg_pool1d(torch.rand(b, 1, t + 8, generator=g), 9, 1)[:, 0]
    valid = chance < chance.quantile(0.8)
    x = torch.randn(b, t, N_IN, generator=g)
    x[~valid] = torch.nan
    return x, dt_s, valid


def run_steps(
    network: CausalNetwork, x: torch.Tensor, dt_s: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    state, outputs = network.initial_state(len(x)), []
    for k in range(x.shape[1]):
        y, state = network.step(x[:, k], dt_s[:, k], valid[:, k], state)
        outputs.append(y)
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), seed=st.integers(0, 2**16))
@settings(max_examples=6, deadline=None)
@torch.no_grad()
def test_frame_by_frame_equals_the_whole_sequence(kind: str, data: st.DataObject, seed: int) -> None:
    t = data.draw(st.integers(1, LONGEST[kind]))
    network = random_network(kind, seed)
    x, dt_s, valid = sequences(2, t, seed)
    whole = network(x, dt_s, valid)
    assert whole.shape == (2, t, N_OUT)
    if valid.any():
        torch.testing.assert_close(
            run_steps(network, x, dt_s, valid)[valid], whole[valid], atol=1e-5, rtol=1e-5
        )
    assert whole.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_future_changes_nothing_and_the_present_does(kind: str) -> None:
    network = random_network(kind)
    x, dt_s, valid = sequences(2, 150, 3)
    valid[:, 100] = True
    x = x.nan_to_num()
    before = network(x, dt_s, valid)
    others = sequences(2, 150, 4)
    for k in range(3):
        changed = [x.clone(), dt_s.clone(), valid.clone()]
        changed[k][:, 101:] = others[k][:, 101:].nan_to_num()
        after = network(*changed)
        assert torch.equal(after[:, :101], before[:, :101])
        assert not torch.equal(after[:, 101:], before[:, 101:])
    changed = [x.clone(), dt_s, valid]
    changed[0][:, 100] += 1.0
    assert (network(*changed)[:, 100] != before[:, 100]).all()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_frames_before_the_first_person_leave_no_trace(kind: str) -> None:
    """So sequences of differing lengths can be padded in front, whatever the padding's stamps."""
    network = random_network(kind)
    x, dt_s, valid = sequences(2, 60, 5)
    valid[:, 0] = True
    x = x.nan_to_num()
    expected = network(x, dt_s, valid)
    dt_s[:, 0] = 0.04
    padded = [torch.cat([torch.full_like(v[:, :37], fill), v], 1) for v, fill in
              ((x, torch.nan), (dt_s, 0.03), (valid, False))]  # fmt: skip
    found = network(*padded)[:, 37:]
    torch.testing.assert_close(found[valid], expected[valid], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_outputs_from_a_frame_on_are_those_of_the_whole(kind: str) -> None:
    network = random_network(kind)
    x, dt_s, valid = sequences(2, 300, 6)
    whole = network(x, dt_s, valid)
    for first in (20, 90, 290):
        part, kept = network(x, dt_s, valid, first), valid[:, first:]
        assert part.shape == whole[:, first:].shape
        torch.testing.assert_close(part[kept], whole[:, first:][kept], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_an_untrained_network_corrects_nothing(kind: str) -> None:
    network = make_network(kind, N_IN, N_OUT)
    x, dt_s, valid = sequences(1, 40)
    assert torch.equal(network(x, dt_s, valid), torch.zeros(1, 40, N_OUT))
    assert 2e5 < sum(p.numel() for p in network.parameters()) < 1.5e6


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_learns(kind: str) -> None:
    network = random_network(kind)
    x, dt_s, valid = sequences(2, 80)
    network(x, dt_s, valid)[valid].square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0.0 or name.endswith("key_value.bias"), name


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_state_keeps_its_size(kind: str) -> None:
    network = random_network(kind)
    x, dt_s, valid = sequences(2, 20)
    state = network.initial_state(2)
    assert all(not s.any() for s in state)
    for k in range(20):
        _, state = network.step(x[:, k], dt_s[:, k], valid[:, k], state)
        assert [tuple(s.shape[1:]) for s in state] == list(network.state_shapes.values())


@pytest.mark.parametrize("kind", ["tcn", "gru", "transformer"])
@torch.no_grad()
def test_outputs_stay_bounded(kind: str) -> None:
    """10,000 frames of inputs as large as they can get: the last are like the first."""
    network = random_network(kind)
    x, dt_s, valid = sequences(1, 400, 7)
    largest = [
        part[seen].abs().max()
        for part, seen in zip(
            network(100.0 * x.repeat(1, 25, 1), dt_s.repeat(1, 25), valid.repeat(1, 25)).split(1000, 1),
            valid.repeat(1, 25).split(1000, 1),
            strict=True,
        )
    ]
    assert max(largest) < 1.5 * max(largest[:2])


@torch.no_grad()
def test_recurrent_states_stay_within_one() -> None:
    """10,000 steps."""
    network = random_network("gru")
    x, dt_s, valid = sequences(1, 400, 7)
    state = network.initial_state(1)
    for k in range(10_000):
        _, state = network.step(100.0 * x[:, k % 400], dt_s[:, k % 400], valid[:, k % 400], state)
    named = dict(zip(network.state_shapes, state, strict=True))
    for name in ("slow_mean", "gru_0", "gru_1"):
        assert 0.0 < named[name].abs().max() <= 1.0


@torch.no_grad()
def test_slow_means_are_weighted_means_of_what_was_seen() -> None:
    """Against sums written out."""
    torch.manual_seed(0)
    slow = SlowState(6, 4).eval()
    _, dt_s, valid = sequences(1, 300, 8)
    h, since_s = torch.randn(1, 300, 6), since_seen(dt_s, valid)
    value, weight = (a[0].double() for a in slow._observe(h, since_s, valid))
    t_s = dt_s[0].double().cumsum(0)
    for frame in (0, 1, 150, 299):
        found = slow(h, dt_s, since_s, valid)[0, frame, 4:20].reshape(4, 4).double()
        for k, rate in enumerate(DECAY_PER_S):
            w = weight[: frame + 1] * torch.exp(-rate * (t_s[frame] - t_s[: frame + 1]))[:, None]
            expected = (w * value[: frame + 1]).sum(0) / (w.sum(0) + 1e-12)
            torch.testing.assert_close(found[k], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_mean_over_all_time_does_not_drift() -> None:
    """5,000 equal frames have the mean of one."""
    slow = SlowState(6, 4).eval()
    h, dt_s = torch.randn(1, 6), torch.full((1,), 1.0 / 30.0)
    valid = torch.tensor([True])
    state = tuple(torch.zeros(1, *shape) for shape in slow.state_shapes.values())
    _, first = slow.step(h, dt_s, dt_s, valid, state)
    for _ in range(5_000):
        _, state = slow.step(h, dt_s, dt_s, valid, state)
    torch.testing.assert_close(state[0], first[0], atol=1e-5, rtol=0.0)


@torch.no_grad()
def test_frame_rate_changes_the_slow_state_little() -> None:
    """The same motion seen at 15 and at 60 fps."""
    torch.manual_seed(0)
    slow = SlowState(2, 4).eval()
    features = []
    for rate in (15, 60):
        t_s = torch.arange(20 * rate) / rate
        h = torch.stack([torch.sin(t_s), torch.cos(0.3 * t_s)], -1)[None]
        dt_s = torch.full((1, len(t_s)), 1.0 / rate)
        features.append(slow(h, dt_s, dt_s, torch.ones_like(dt_s, dtype=torch.bool))[0, -1, 4:])
    torch.testing.assert_close(features[0], features[1], atol=0.02, rtol=0.0)


def test_time_since_somebody_was_seen() -> None:
    dt_s = torch.tensor([[0.0, 0.1, 0.1, 0.1, 0.1, 9.0]])
    valid = torch.tensor([[False, True, False, False, True, True]])
    expected = torch.tensor([[MAX_AGE_S, MAX_AGE_S, 0.1, 0.2, 0.3, MAX_AGE_S]])
    torch.testing.assert_close(since_seen(dt_s, valid), expected)


@pytest.mark.parametrize(("kind", "width"), [("lstm", None), ("tcn", 0), ("gru", 25)])
def test_unknown_networks_are_refused(kind: str, width: int | None) -> None:
    with pytest.raises(TrainError, match=r"choose from tcn|accepted: multiples of 8"):
        make_network(kind, N_IN, N_OUT, width=width)
