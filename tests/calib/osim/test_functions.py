"""Functions of coordinates against OpenSim's own, and their slopes against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.osim.functions import (
    Constant,
    Function,
    Linear,
    Multiplier,
    PiecewiseLinear,
    Polynomial,
    SimmSpline,
    build_table,
    compile_function,
    evaluate,
    split_multipliers,
)
from tests.support.opensim_reference import import_opensim

X = (-1.0, -0.4, 0.3, 0.5, 1.4)
Y = (0.2, -0.3, 0.8, 0.1, 0.6)
FUNCTIONS: dict[str, Function] = {
    "constant": Constant(0.7),
    "linear": Linear((1.5, -0.2)),
    "polynomial": Polynomial((0.3, -0.2, 0.5, 0.1)),
    "piecewise linear": PiecewiseLinear(X, Y),
    "spline of two points": SimmSpline(X[:2], Y[:2]),
    "spline of three points": SimmSpline(X[:3], Y[:3]),
    "spline of four points": SimmSpline(X[:4], Y[:4]),
    "spline of five points": SimmSpline(X, Y),
    "multiplied spline": Multiplier(-1.3, Multiplier(2.0, SimmSpline(X, Y))),
}


def value_and_slope(function: Function, x: float) -> tuple[float, float]:
    # A second function checks that each reads its own segments.
    table = build_table([compile_function(SimmSpline(X, Y)), compile_function(function)])
    return evaluate(*table, 1, x)


def opensims(opensim: Any, function: Function) -> Any:
    """The same function as an object of OpenSim."""
    match function:
        case Constant(value):
            return opensim.Constant(value)
        case Linear((slope, offset)):
            return opensim.LinearFunction(slope, offset)
        case Polynomial(coefficients):
            return opensim.PolynomialFunction(opensim.Vector(list(coefficients)))
        case SimmSpline(x, y) | PiecewiseLinear(x, y):
            spline = opensim.SimmSpline()
            if isinstance(function, PiecewiseLinear):
                spline = opensim.PiecewiseLinearFunction()
            for a, b in zip(x, y, strict=True):
                spline.addPoint(a, b)
            return spline
    raise AssertionError(function)


@pytest.mark.opensim
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_slopes_are_opensims_inside_and_outside(name: str) -> None:
    opensim = import_opensim()
    function = FUNCTIONS[name]
    scale, inner = split_multipliers(function)
    reference = opensims(opensim, inner)
    order = opensim.StdVectorInt()
    order.append(0)
    for x in [*np.linspace(-2.5, 2.5, 101), X[0], X[-1]]:
        value, slope = value_and_slope(function, x)
        argument = opensim.Vector(1, float(x))
        assert value == pytest.approx(scale * reference.calcValue(argument), abs=1e-12)
        if x not in X:
            expected = scale * reference.calcDerivative(order, argument)
            assert slope == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_match_finite_differences(name: str) -> None:
    for x in np.linspace(-2.47, 2.47, 83):
        step = 1e-6
        above, _ = value_and_slope(FUNCTIONS[name], x + step)
        below, _ = value_and_slope(FUNCTIONS[name], x - step)
        _, slope = value_and_slope(FUNCTIONS[name], x)
        assert slope == pytest.approx((above - below) / (2.0 * step), abs=1e-7)


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=12, unique=True)
    .map(sorted)
    .filter(lambda x: np.diff(x).min() > 1e-3),
    st.integers(0, 2**32 - 1),
)
def test_splines_pass_through_their_points_without_kinks(x: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).uniform(-1.0, 1.0, len(x))
    function = SimmSpline(tuple(x), tuple(y))
    largest = max(abs(value_and_slope(function, v)[1]) for v in x) + 1.0
    for a, b in zip(x, y, strict=True):
        value, slope = value_and_slope(function, a)
        assert value == pytest.approx(b, abs=1e-6 * largest)
        assert slope == pytest.approx(value_and_slope(function, a + 1e-9)[1], abs=1e-3 * largest)


def test_a_linear_function_of_two_coordinates_has_no_single_variable() -> None:
    with pytest.raises(ValueError, match="not a function of one variable"):
        compile_function(Linear((1.0, 2.0, 0.0)))
