"""Reads values and functions out of the elements of an `.osim` file, and refuses what it cannot read."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

import defusedxml.sax
from defusedxml import DefusedXmlException

from calib.errors import OsimError
from calib.osim.functions import (
    Constant,
    Function,
    Linear,
    Multiplier,
    PiecewiseLinear,
    Polynomial,
    SimmSpline,
    split_multipliers,
)

MAX_FILE_BYTES = 64 * 2**20
MAX_DEPTH = 100
MAX_MULTIPLIERS = 16

_FUNCTION_TAGS = (
    "Constant", "LinearFunction", "SimmSpline", "NaturalCubicSpline", "natCubicSpline",
    "PiecewiseLinearFunction", "PolynomialFunction", "MultiplierFunction",
)  # fmt: skip
ACCEPTED_FUNCTIONS = (
    "Constant, LinearFunction, SimmSpline, NaturalCubicSpline, PiecewiseLinearFunction, "
    "PolynomialFunction, MultiplierFunction"
)


def describe(element: Element) -> str:
    """An element as a reader would look for it in the file."""
    name = element.get("name")
    return f'<{element.tag} name="{name}">' if name else f"<{element.tag}>"


class _Tree(ContentHandler):
    """Builds elements whose names hold colons: OpenSim writes <HuntCrossleyForce::ContactParametersSet>.

    ElementTree's own parser takes colons for namespaces, of which `.osim` files have none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        """Begin an element."""
        self.builder.start(name, dict(attrs.items()))

    def endElement(self, name: str) -> None:
        """End an element."""
        self.builder.end(name)

    def characters(self, content: str) -> None:
        """Add text."""
        self.builder.data(content)


@dataclass(frozen=True, slots=True)
class Source:
    """The file being read; its methods name it in every error."""

    path: Path

    def fail(self, where: Element | str, problem: str, accepted: str) -> NoReturn:
        """Refuse the file.

        Raises:
            OsimError: always.
        """
        place = where if isinstance(where, str) else describe(where)
        raise OsimError(
            f"{self.path}: {place}: {problem}; accepted: {accepted}",
            name=place,
            accepted=(accepted,),
        )

    def parse(self) -> Element:
        """Read the XML without touching anything outside the file."""
        try:
            size = self.path.stat().st_size
            if size > MAX_FILE_BYTES:
                self.fail("file", f"{size} bytes", f"at most {MAX_FILE_BYTES}")
            tree = _Tree()
            with self.path.open("rb") as file:
                defusedxml.sax.parse(file, tree, forbid_dtd=True)
            root = tree.builder.close()
        except OSError as error:
            raise OsimError(f"{self.path}: cannot be read ({error.strerror}); give an .osim file") from error
        except (DefusedXmlException, SAXException, ValueError, LookupError) as error:
            raise OsimError(
                f"{self.path}: not readable XML ({error or type(error).__name__}); accepted: an .osim file "
                "of OpenSim 3 or 4, without document type or entities"
            ) from error
        level, depth = [root], 0
        while level:
            level, depth = [child for element in level for child in element], depth + 1
            if depth > MAX_DEPTH:
                self.fail(root, "elements inside elements", f"at most {MAX_DEPTH} deep")
        return root

    def name(self, element: Element) -> str:
        """The element's `name`."""
        name = (element.get("name") or "").strip()
        if not name:
            self.fail(element, "it has no name", 'a non-empty name="..."')
        return name

    def text(self, element: Element, tag: str, default: str = "") -> str:
        """The text of a child element, stripped."""
        child = element.find(tag)
        return default if child is None or child.text is None else child.text.strip()

    def numbers(
        self, element: Element, tag: str, count: int | None = None,
        default: tuple[float, ...] | None = None, *, infinite: bool = False,
    ) -> tuple[float, ...]:  # fmt: skip
        """The numbers in a child element.

        Args:
            element: Parent of the element that is read.
            tag: Tag of the element that is read.
            count: Required number of values; any number but none if left out.
            default: Value returned when the child is missing or empty.
            infinite: Whether plus and minus infinity are accepted.

        Raises:
            OsimError: missing without a default, not numbers, or too many or few of them.
        """
        text = self.text(element, tag)
        if not text:
            if default is not None:
                return default
            self.fail(element, f"<{tag}> is missing or empty", "numbers")
        try:
            # Adding zero makes -0 and 0 the same, so that they hash the same.
            values = tuple(float(word) + 0.0 for word in text.split())
        except ValueError:
            self.fail(element, f"<{tag}> is {text[:60]!r}", "numbers")
        if not all(math.isfinite(v) or (infinite and not math.isnan(v)) for v in values):
            self.fail(element, f"<{tag}> is {text[:60]!r}", "finite numbers")
        if count is not None and len(values) != count:
            self.fail(element, f"<{tag}> has {len(values)} numbers", f"{count}")
        return values

    def number(self, element: Element, tag: str, default: float) -> float:
        """The one number in a child element."""
        return self.numbers(element, tag, 1, (default,))[0]

    def vec3(self, element: Element, tag: str) -> tuple[float, float, float]:
        """The three numbers in a child element, zeros when missing."""
        x, y, z = self.numbers(element, tag, 3, (0.0, 0.0, 0.0))
        return x, y, z

    def flag(self, element: Element, tag: str, default: bool = False) -> bool:
        """The boolean in a child element."""
        text = self.text(element, tag).lower()
        if text in ("true", "1"):
            return True
        if text in ("false", "0"):
            return False
        if text:
            self.fail(element, f"<{tag}> is {text[:60]!r}", "true or false")
        return default

    def function(self, owner: Element, wrapper: str = "function") -> Function | None:
        """The function that is a child of `owner`, or of the child of it called `wrapper`."""
        element = self.function_element(owner, wrapper)
        scale, depth = 1.0, 0
        while element is not None and element.tag == "MultiplierFunction":
            scale *= self.number(element, "scale", 1.0)
            depth += 1
            if depth > MAX_MULTIPLIERS:
                self.fail(owner, "multipliers inside multipliers", f"at most {MAX_MULTIPLIERS} deep")
            outer, element = element, self.function_element(element, "function")
            if element is None:
                self.fail(outer, "it multiplies nothing", ACCEPTED_FUNCTIONS)
        if element is None:
            return None
        inner = self._plain_function(element)
        return Multiplier(scale, inner) if depth else inner

    def check_arguments(self, where: Element, function: Function, n_coordinates: int) -> None:
        """Refuse a function that does not take this many coordinates.

        Raises:
            OsimError: the numbers differ.
        """
        _, inner = split_multipliers(function)
        accepted = len(inner.coefficients) - 1 if isinstance(inner, Linear) else 1
        if n_coordinates != accepted and not isinstance(inner, Constant):
            problem = f"a {type(inner).__name__} function of {n_coordinates} coordinates"
            self.fail(where, problem, f"{accepted}, by its numbers")

    def function_element(self, owner: Element, wrapper: str) -> Element | None:
        """The element that `function` reads: OpenSim 3 wraps it in a property, OpenSim 4 often does not."""
        box = owner.find(wrapper)
        candidates = [c for c in owner if c.tag.endswith(("Function", "Spline")) or c.tag == "Constant"]
        if box is not None:
            candidates += list(box)
        if not candidates:
            return None
        if len(candidates) > 1:
            self.fail(owner, f"{len(candidates)} functions", "one")
        if candidates[0].tag not in _FUNCTION_TAGS:
            self.fail(owner, f"unsupported function <{candidates[0].tag}>", ACCEPTED_FUNCTIONS)
        return candidates[0]

    def _plain_function(self, element: Element) -> Function:
        match element.tag:
            case "Constant":
                return Constant(self.number(element, "value", 0.0))
            case "LinearFunction":
                return Linear(self.numbers(element, "coefficients", None, (1.0, 0.0)))
            case "PolynomialFunction":
                return Polynomial(self.numbers(element, "coefficients"))
        x, y = self.numbers(element, "x"), self.numbers(element, "y")
        if len(x) < 2 or len(x) != len(y):
            self.fail(element, f"{len(x)} x and {len(y)} y", "as many x as y, and at least 2")
        if any(b <= a for a, b in itertools.pairwise(x)):
            self.fail(element, "x does not increase", "increasing x")
        return PiecewiseLinear(x, y) if element.tag == "PiecewiseLinearFunction" else SimmSpline(x, y)
