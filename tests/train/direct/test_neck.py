"""The neck: fine maps that know what coarse ones see."""

import pytest
import torch

from train.direct.neck import Coarsest, TopDown

CHANNELS = (8, 12, 20)


def stages(n: int = 2) -> list[torch.Tensor]:
    """Of 16, 8 and 4 cells a side."""
    return [torch.randn(n, k, side, side) for k, side in zip(CHANNELS, (16, 8, 4), strict=True)]


@pytest.fixture
def neck() -> TopDown:
    """In use, so that no cell is normalised by another's."""
    torch.manual_seed(0)
    return TopDown(CHANNELS, 24).eval()


def test_maps_have_the_finest_size(neck: TopDown) -> None:
    assert neck(stages()).shape == (2, 24, 16, 16)


@pytest.mark.parametrize(("stage", "reach"), [(0, 1), (1, 3), (2, 3)])
def test_a_cell_is_known_where_it_is_and_nowhere_else(neck: TopDown, stage: int, reach: int) -> None:
    """Each 3x3 convolution carries it one cell further: by 2 with 8 cells a side, by 1 with 16."""
    before = stages(1)
    after = [maps.clone() for maps in before]
    after[stage][0, :, 1, 1] += 5.0
    with torch.no_grad():
        changed = (neck(after) - neck(before)).abs().amax(1)[0] > 1e-6
    size = 16 // before[stage].shape[2]
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert changed[size : 2 * size, size : 2 * size].any()
    for cells in (rows, columns):
        assert int(cells.min()) >= size - reach and int(cells.max()) <= 2 * size - 1 + reach


def test_one_stage_is_enough() -> None:
    """As BlazePose's."""
    assert TopDown((20,), 24)([torch.randn(2, 20, 4, 4)]).shape == (2, 24, 4, 4)


def test_the_coarsest_is_the_last() -> None:
    given = stages()
    assert Coarsest()(given) is given[-1]
