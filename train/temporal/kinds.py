"""The kinds of causal networks by name; all have the same interface."""

from __future__ import annotations

from dataclasses import dataclass

from train.errors import TrainError
from train.temporal.lines import LineSmoother
from train.temporal.network import CausalNetwork, Core
from train.temporal.recurrent import GruCore, TcnCore
from train.temporal.transformer import TransformerCore
from train.temporal.unet import UnetCore


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """A kind of core and its default width."""

    core: type[Core]
    width: int


NETWORKS = {
    "tcn": NetworkKind(TcnCore, 128),
    "gru": NetworkKind(GruCore, 192),
    "transformer": NetworkKind(TransformerCore, 128),
    "unet": NetworkKind(UnetCore, 48),
}


def make_network(
    kind: str,
    n_in: int,
    n_out: int,
    *,
    width: int | None = None,
    n_slow: int = 48,
    dropout: float = 0.0,
    lines: range | None = None,
) -> CausalNetwork:
    """A network whose output is zero before training; with `lines`, it then smooths a little.

    Args:
        kind: A key of `NETWORKS`.
        n_in: Size of a frame's vector.
        n_out: Size of the output.
        width: Width of the hidden vectors; None for the kind's default.
        n_slow: Size of the slow state's embedding.
        dropout: Share of hidden units left out in training.
        lines: Columns of the coordinates that it smooths; None: it may add anything to them.

    Raises:
        TrainError: there is no such kind, or the width does not suit it.
    """
    if kind not in NETWORKS:
        raise TrainError(f"network {kind!r} is unknown; choose from {', '.join(NETWORKS)}")
    width = NETWORKS[kind].width if width is None else width
    if width < 8 or width % 8:
        raise TrainError(f"width is {width}; accepted: multiples of 8")
    core = NETWORKS[kind].core(width, dropout)
    smoother = None if lines is None else LineSmoother(lines)
    return CausalNetwork(n_in, n_out, core, width=width, n_slow=n_slow, dropout=dropout, lines=smoother)
