"""Boards to print, at true scale: PDF, SVG and PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardKind
from calib.errors import BoardError

MM_PER_INCH = 25.4
PDF_UNITS_PER_MM = 72.0 / MM_PER_INCH
PNG_DPI = 600
PAPER_MM = {"a4": (210.0, 297.0), "a3": (297.0, 420.0), "letter": (215.9, 279.4)}
MARGIN_MM = 5.0
"""Most printers leave this much white."""
CAPTION_MM = 14.0
"""Below the pattern: what it is, and a line to check the scale with."""
RULER_MM = 100.0
TEXT_MM = 3.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page with a board on it. All lengths in mm from the top left corner, Y down."""

    width_mm: float
    height_mm: float
    black_mm: tuple[tuple[float, float, float, float], ...]
    """Black rectangles: left, top, width, height."""
    caption: str
    caption_mm: tuple[float, float]
    """Left end of the text's base line."""


def lay_out(board: Board, paper: str = "a4") -> Sheet:
    """Place a board on a page, turned if it fits better.

    Args:
        board: Board to print.
        paper: Paper size: a4, a3, letter, or fit (as large as needed).

    Raises:
        BoardError: it does not fit; with the squares that would.
    """
    width, height = (1e3 * side for side in board.size_m)
    needed = width + 2 * MARGIN_MM, height + 2 * MARGIN_MM + CAPTION_MM
    page = needed if paper == "fit" else PAPER_MM[paper]
    if page != needed and (width > height) != (page[0] > page[1]):
        page = page[1], page[0]
    if needed[0] > page[0] or needed[1] > page[1]:
        fits_mm = min(
            (page[0] - 2 * MARGIN_MM) / (board.columns + 1),
            (page[1] - 2 * MARGIN_MM - CAPTION_MM) / (board.rows + 1),
        )
        raise BoardError(
            f"{board.description}: {width:.0f} x {height:.0f} mm do not fit on {paper}; squares of up to "
            f"--square-m {int(10 * fits_mm) / 1e4:g} would, or a larger --paper"
        )
    left, top = (page[0] - width) / 2, max(MARGIN_MM, (page[1] - height - CAPTION_MM) / 2)
    black = [(left + x, top + y, w, h) for x, y, w, h in _pattern_mm(board)]
    ruler_top = top + height + 4.0
    if width >= RULER_MM:
        # Two ticks and a line, 100 mm from outer edge to outer edge.
        black.append((left, ruler_top, RULER_MM, 0.3))
        black += [(left + x, ruler_top - 1.0, 0.3, 2.3) for x in (0.0, RULER_MM - 0.3)]
    return Sheet(page[0], page[1], tuple(black), _caption(board, width), (left, ruler_top + 6.0))


def save_sheet(sheet: Sheet, path: Path) -> None:
    """Write a page, in the format that the name ends in.

    Raises:
        BoardError: another ending, or the file cannot be written.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise BoardError(f"{path}: no such format; accepted: {', '.join(WRITERS)}")
    try:
        path.write_bytes(write(sheet))
    except OSError as error:
        raise BoardError(f"{path}: cannot be written ({error.strerror})") from error


def _pattern_mm(board: Board) -> list[tuple[float, float, float, float]]:
    """The board's black rectangles, from its top left corner."""
    side = 1e3 * board.square_m
    squares = [(x, y) for y in range(board.rows + 1) for x in range(board.columns + 1)]
    black = [(x * side, y * side, side, side) for x, y in squares if (x + y) % 2 == 0]
    if board.kind is BoardKind.CHARUCO:
        white = [(x, y) for x, y in squares if (x + y) % 2]
        for marker, (x, y) in enumerate(white):
            black += _marker_mm(board, marker, x * side, y * side)
    return black


def _marker_mm(board: Board, marker: int, left: float, top: float) -> list[tuple[float, float, float, float]]:
    """Black runs of a marker's bits, in the middle of its square."""
    charuco = board.charuco()
    n_bits = charuco.getDictionary().markerSize + 2
    bits = cv2.aruco.generateImageMarker(charuco.getDictionary(), int(charuco.getIds()[marker]), n_bits)
    bit = 1e3 * board.marker_m / n_bits
    inset = 0.5e3 * (board.square_m - board.marker_m)
    runs = []
    for row in range(n_bits):
        edges = np.flatnonzero(np.diff(np.concatenate([[255], bits[row], [255]]).astype(int)))
        for start, end in edges.reshape(-1, 2).tolist():
            runs.append((left + inset + start * bit, top + inset + row * bit, (end - start) * bit, bit))
    return runs


def _caption(board: Board, width_mm: float) -> str:
    text = f"kinecast {board.description}"
    if board.kind is BoardKind.CHARUCO:
        text += f", markers {1e3 * board.marker_m:g} mm of {board.dictionary}"
    check = f"the line is {RULER_MM:g} mm" if width_mm >= RULER_MM else "measure the squares"
    return f"{text}. Print at 100 %: {check}."


def _pdf(sheet: Sheet) -> bytes:
    """A PDF of one page (ISO 32000-1)."""
    unit = PDF_UNITS_PER_MM
    lines = [
        f"{x * unit:.4f} {(sheet.height_mm - y - h) * unit:.4f} {w * unit:.4f} {h * unit:.4f} re"
        for x, y, w, h in sheet.black_mm
    ]
    x, y = sheet.caption_mm
    lines.append(f"f BT /F1 {_text_mm(sheet) * unit:.3f} Tf")
    lines.append(f"{x * unit:.4f} {(sheet.height_mm - y) * unit:.4f} Td ({sheet.caption}) Tj ET")
    content = "\n".join(lines).encode("ascii")
    box = f"[0 0 {sheet.width_mm * unit:.4f} {sheet.height_mm * unit:.4f}]"
    objects = [
        # Viewers would otherwise offer to fit the page to the paper.
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R "
        f"/Resources << /Font << /F1 5 0 R >> >> >>".encode("ascii"),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (count, table, count, len(out))
    )


def _svg(sheet: Sheet) -> bytes:
    w, h = f"{sheet.width_mm:g}", f"{sheet.height_mm:g}"
    outline = " ".join(f"M{x:.4f} {y:.4f}h{w:.4f}v{h:.4f}h{-w:.4f}z" for x, y, w, h in sheet.black_mm)
    x, y = sheet.caption_mm
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}">\n'
        f'<rect width="{w}" height="{h}" fill="#fff"/>\n<path fill="#000" d="{outline}"/>\n'
        f'<text x="{x:.3f}" y="{y:.3f}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="{_text_mm(sheet):.2f}">{sheet.caption}</text>\n</svg>\n'
    ).encode()


def _png(sheet: Sheet) -> bytes:
    picture = draw_sheet(sheet)
    data = bytes(cv2.imencode(".png", picture)[1])
    # OpenCV does not say how large a pixel is: chunk pHYs, right after the header.
    per_metre = round(PNG_DPI / MM_PER_INCH * 1e3)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    header = 8 + 25
    return data[:header] + chunk + data[header:]


def draw_sheet(sheet: Sheet, dpi: int = PNG_DPI) -> NDArray[np.uint8]:
    """The page as a grey image. Shape: (height, width)."""
    unit = dpi / MM_PER_INCH
    picture = np.full((round(sheet.height_mm * unit), round(sheet.width_mm * unit)), 255, dtype=np.uint8)
    for x, y, w, h in sheet.black_mm:
        left, top, right, bottom = (round(edge * unit) for edge in (x, y, x + w, y + h))
        picture[top:bottom, left:right] = 0
    x, y = sheet.caption_mm
    place, size = (round(x * unit), round(y * unit)), _text_mm(sheet) * unit / 22.0
    cv2.putText(
        picture,
        sheet.caption,
        place,
        cv2.FONT_HERSHEY_SIMPLEX,
        size,
        0,
        max(1, round(1.5 * size)),
        cv2.LINE_AA,
    )
    return picture


def _text_mm(sheet: Sheet) -> float:
    """Letters as large as the line allows: those of these fonts are about half as wide as high."""
    return min(TEXT_MM, (sheet.width_mm - sheet.caption_mm[0]) / (0.52 * len(sheet.caption)))


WRITERS: dict[str, Callable[[Sheet], bytes]] = {".pdf": _pdf, ".svg": _svg, ".png": _png}
