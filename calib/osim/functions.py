"""OpenSim's functions of one variable, all compiled to piecewise polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value everywhere."""

    value: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A slope for each argument, then the value at zero."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SimmSpline:
    """Cubic spline through points, continued by straight lines."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PiecewiseLinear:
    """Straight lines between points; the outer ones go on."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Coefficients from the highest power down, as OpenSim writes them."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Another function times a number."""

    scale: float
    function: Function


Function = Constant | Linear | SimmSpline | PiecewiseLinear | Polynomial | Multiplier


class PiecewisePolynomial(NamedTuple):
    """Polynomials of `x - origin`, one for each interval between breaks."""

    breaks: NDArray[np.float64]
    """Where one polynomial ends and the next begins. Shape: (n_segments - 1,)."""
    origins: NDArray[np.float64]
    """Shape: (n_segments,)."""
    coefficients: NDArray[np.float64]
    """From the constant upwards. Shape: (n_segments, degree + 1)."""


FUNCTION = np.dtype([("first_segment", "i8"), ("end_segment", "i8"), ("degree", "i8")], align=True)
SEGMENT = np.dtype([("upper", "f8"), ("origin", "f8")], align=True)


class FunctionTable(NamedTuple):
    """Many piecewise polynomials in flat arrays, for the compiled kernels."""

    functions: NDArray[np.void]
    """Of dtype FUNCTION. Shape: (n_functions,)."""
    segments: NDArray[np.void]
    """Of dtype SEGMENT: where a piece ends, infinite for a function's last. Shape: (n_segments,)."""
    coefficients: NDArray[np.float64]
    """Shape: (n_segments, max degree + 1)."""

    @property
    def start(self) -> NDArray[np.int64]:
        """First segment of each function, and the end. Shape: (n_functions + 1,)."""
        return np.append(self.functions["first_segment"], len(self.segments))

    @property
    def upper(self) -> NDArray[np.float64]:
        """Where each segment ends. Shape: (n_segments,)."""
        return self.segments["upper"]

    @property
    def origin(self) -> NDArray[np.float64]:
        """Where each segment's own variable is zero. Shape: (n_segments,)."""
        return self.segments["origin"]


def split_multipliers(function: Function) -> tuple[float, Function]:
    """Take nested multipliers apart: their product, and the function inside."""
    scale = 1.0
    while isinstance(function, Multiplier):
        scale *= function.scale
        function = function.function
    return scale, function


def compile_function(function: Function) -> PiecewisePolynomial:
    """Turn a function of one variable into a piecewise polynomial.

    A `Linear` of several arguments has no such form: compile its terms one by one.
    """
    scale, inner = split_multipliers(function)
    match inner:
        case Constant(value):
            pieces = _polynomial((value,))
        case Linear((slope, offset)):
            pieces = _polynomial((offset, slope))
        case Polynomial(coefficients):
            pieces = _polynomial(coefficients[::-1])
        case PiecewiseLinear(x, y):
            pieces = _lines(np.array(x), np.array(y))
        case SimmSpline(x, y):
            pieces = _simm_spline(np.array(x), np.array(y))
        case _:
            raise ValueError(f"{inner}: not a function of one variable")
    return pieces._replace(coefficients=scale * pieces.coefficients)


def _polynomial(ascending: tuple[float, ...]) -> PiecewisePolynomial:
    return PiecewisePolynomial(np.empty(0), np.zeros(1), np.array([ascending], dtype=np.float64))


def _lines(x: NDArray[np.float64], y: NDArray[np.float64]) -> PiecewisePolynomial:
    slopes = np.diff(y) / np.diff(x)
    return PiecewisePolynomial(x[1:-1], x[:-1], np.stack([y[:-1], slopes], axis=1))


def _simm_spline(x: NDArray[np.float64], y: NDArray[np.float64]) -> PiecewisePolynomial:
    """Compile a SIMM spline, whose ends are not "natural" in spite of its old name.

    Forsythe, Malcolm and Moler, Computer Methods for Mathematical Computations (1977), chapter 4:
    the third derivative at each end is that of the cubic through the four points there.
    """
    h = np.diff(x)
    slopes = np.diff(y) / h
    if len(x) == 2:
        return _lines(x, y)
    sigma = _sixth_of_curvature(x, h, slopes)
    first = slopes - h * (sigma[1:] + 2.0 * sigma[:-1])
    inside = np.stack([y[:-1], first, 3.0 * sigma[:-1], np.diff(sigma) / h], axis=1)
    last_slope = slopes[-1] + h[-1] * (sigma[-2] + 2.0 * sigma[-1])
    before, after = np.zeros((1, 4)), np.zeros((1, 4))
    before[0, :2] = y[0], first[0]
    after[0, :2] = y[-1], last_slope
    origins = np.concatenate([x[:1], x])
    return PiecewisePolynomial(x, origins, np.concatenate([before, inside, after]))


def _sixth_of_curvature(
    x: NDArray[np.float64], h: NDArray[np.float64], slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Second derivatives over 6 at the knots: a tridiagonal system, solved by elimination."""
    n = len(x)
    diagonal, right = np.empty(n), np.zeros(n)
    diagonal[0], diagonal[-1] = -h[0], -h[-1]
    diagonal[1:-1] = 2.0 * (h[:-1] + h[1:])
    right[1:-1] = np.diff(slopes)
    if n > 3:
        second = np.diff(slopes) / (x[2:] - x[:-2])
        third = np.diff(second) / (x[3:] - x[:-3])
        right[0] = third[0] * h[0] ** 2
        right[-1] = -third[-1] * h[-1] ** 2
    for i in range(1, n):
        factor = h[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * h[i - 1]
        right[i] -= factor * right[i - 1]
    sigma = np.empty(n)
    sigma[-1] = right[-1] / diagonal[-1]
    for i in range(n - 2, -1, -1):
        sigma[i] = (right[i] - h[i] * sigma[i + 1]) / diagonal[i]
    return sigma


def build_table(functions: list[PiecewisePolynomial]) -> FunctionTable:
    """Lay piecewise polynomials side by side."""
    counts = [len(f.origins) for f in functions]
    width = max([f.coefficients.shape[1] for f in functions], default=1)
    coefficients = np.zeros((sum(counts), width))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    for f, first in zip(functions, start[:-1], strict=True):
        coefficients[first : first + len(f.origins), : f.coefficients.shape[1]] = f.coefficients
    table = np.zeros(len(functions), FUNCTION)
    table["first_segment"], table["end_segment"] = start[:-1], start[1:]
    table["degree"] = [f.coefficients.shape[1] - 1 for f in functions]
    segments = np.zeros(sum(counts), SEGMENT)
    segments["upper"] = np.concatenate([*(np.append(f.breaks, np.inf) for f in functions), np.empty(0)])
    segments["origin"] = np.concatenate([*(f.origins for f in functions), np.empty(0)])
    return FunctionTable(table, segments, coefficients)


@njit(cache=True, nogil=True)
def evaluate(
    functions: NDArray[np.void],
    segments: NDArray[np.void],
    coefficients: NDArray[np.float64],
    index: int,
    x: float,
) -> tuple[float, float]:
    """Value and slope of one function of a table, whose arrays come first, at `x`."""
    low, high = functions[index].first_segment, functions[index].end_segment - 1
    while low < high:
        middle = (low + high) // 2
        if x > segments[middle].upper:
            low = middle + 1
        else:
            high = middle
    dx = x - segments[low].origin
    degree = functions[index].degree
    value, slope = coefficients[low, degree], 0.0
    for power in range(degree - 1, -1, -1):
        slope = slope * dx + value
        value = value * dx + coefficients[low, power]
    return value, slope
