"""The only module that uses Open3D: a window with meshes, lines and panels, on the main thread.

It uses Open3D's older `Visualizer`, which draws with plain OpenGL, also in software; the newer one needs
Vulkan. The older one has no text, so panels are textured meshes that follow the viewpoint. Open3D does no
lighting: colours are shaded beforehand, and meshes without normals are drawn in their own colours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.overlay.style import Image
from realtime.viewer.hud import DEPTH_M, NEAR_M, RADIUS_PX, Viewpoint, fan, outline
from realtime.viewer.scenery import LineSet

Array = NDArray[np.float64]

FAR_M = 80.0
BACKGROUND = np.array([0.125, 0.145, 0.175])
MARGIN = 0.018
"""Margin between panels and the window's edge, in window heights."""
EXTENT_M = 2.0
"""Half the size of the scene as declared to Open3D, which determines its zoom and speed of rotation."""


def import_open3d() -> Any:
    """Import the open3d package.

    Raises:
        RealtimeError: the package is not installed or cannot be loaded here.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise RealtimeError(
            f"the viewer needs Open3D, which cannot be loaded ({reason}); install it: "
            "pip install -e '.[viewer]'"
        ) from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d


def screen_problem() -> str | None:
    """Reason why no window can be shown here; None if one may be possible."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class ScreenPanel:
    """An image at a fixed position on the screen."""

    image: Image
    place: tuple[float, float]
    below_px: float


class ViewerWindow:
    """Shows named meshes, lines, points and panels; every call must come from the main thread.

    Args:
        title: Title of the window.
        size_px: Width and height.

    Raises:
        RealtimeError: Open3D is missing, or cannot open a window here.
    """

    def __init__(self, title: str, size_px: tuple[int, int]) -> None:
        self._o3d = import_open3d()
        if os.environ.get("DISPLAY") and os.environ.get("WAYLAND_DISPLAY"):
            os.environ.pop("WAYLAND_DISPLAY")  # Open3D's OpenGL loader works through X only
            os.environ["XDG_SESSION_TYPE"] = "x11"
        self._vis = self._o3d.visualization.VisualizerWithKeyCallback()
        if not self._vis.create_window(title, *size_px) or self._vis.get_render_option() is None:
            raise RealtimeError(
                "Open3D cannot open a window here; it needs a screen and OpenGL 3.3 "
                "(on Linux: apt install libgl1 libgl1-mesa-dri libegl1)"
            )
        options = self._vis.get_render_option()
        options.background_color = BACKGROUND
        options.line_width = 1.5
        options.point_size = 2.0
        self._control = self._vis.get_view_control()
        self._shown: dict[str, Any] = {}
        self._panels: dict[str, ScreenPanel] = {}
        self._actions: dict[str, Callable[[], None]] = {}
        self._last_view: Viewpoint | None = None
        self._is_open = True
        self._frame_extent()

    @property
    def view(self) -> Viewpoint:
        """The current viewpoint."""
        parameters = self._control.convert_to_pinhole_camera_parameters()
        k = parameters.intrinsic
        return Viewpoint(
            k.width, k.height, np.array(k.intrinsic_matrix), np.array(parameters.extrinsic, dtype=np.float64)
        )

    def look(self, at_m: Array, front: Array | None = None, zoom: float | None = None) -> None:
        """Look at a point from the direction `front`; None keeps direction or zoom. Shapes: (3,)."""
        if front is not None:
            front = np.asarray(front) / np.linalg.norm(front)
            up = np.array([0.0, 1.0, 0.0] if abs(front[1]) < 0.95 else [-1.0, 0.0, 0.0])
            up -= (up @ front) * front  # Open3D does not orthogonalise, and would report a skewed view
            self._control.set_front(front)
            self._control.set_up(up / np.linalg.norm(up))
        self._control.set_lookat(np.asarray(at_m, dtype=np.float64))
        if zoom is not None:
            self._control.set_zoom(zoom)

    def on_key(self, key: str, action: Callable[[], None]) -> None:
        """Call `action` whenever a letter or digit is pressed."""

        def pressed(_: Any) -> bool:
            self.press(key)
            return False

        self._actions[key] = action
        self._vis.register_key_callback(ord(key), pressed)

    def press(self, key: str) -> None:
        """Perform the action of a key."""
        self._actions[key]()

    def show_mesh(self, name: str, vertices: Array, colours: Array, triangles: NDArray[np.int32]) -> None:
        """Draw a mesh in the colours of its vertices; without vertices, remove it.

        Args:
            name: Name of the mesh; an earlier one of that name is replaced.
            vertices: Vertices in m. Shape: (n, 3).
            colours: Colours of the vertices, from 0 to 1. Shape: (n, 3).
            triangles: Indices of vertices. Shape: (n_triangles, 3).
        """
        u = self._o3d.utility
        mesh = self._shown.get(name) if len(vertices) else None
        if mesh is None and len(vertices):
            mesh = self._o3d.geometry.TriangleMesh()
        if mesh is not None:
            mesh.vertices = u.Vector3dVector(vertices)
            mesh.vertex_colors = u.Vector3dVector(colours)
            mesh.triangles = u.Vector3iVector(triangles)
        self._replace(name, mesh)

    def show_lines(self, name: str, lines: LineSet) -> None:
        """Draw lines; an empty set removes them."""
        u = self._o3d.utility
        shown = self._shown.get(name) if len(lines.pairs) else None
        if shown is None and len(lines.pairs):
            shown = self._o3d.geometry.LineSet()
        if shown is not None:
            shown.points = u.Vector3dVector(lines.points)
            shown.lines = u.Vector2iVector(lines.pairs)
            shown.colors = u.Vector3dVector(lines.colours)
        self._replace(name, shown)

    def show_points(self, name: str, points: Array, colour: Array) -> None:
        """Draw points of one colour; an empty array removes them. Shapes: (n, 3) and (3,)."""
        u = self._o3d.utility
        shown = self._shown.get(name) if len(points) else None
        if shown is None and len(points):
            shown = self._o3d.geometry.PointCloud()
        if shown is not None:
            shown.points = u.Vector3dVector(points)
            shown.colors = u.Vector3dVector(np.broadcast_to(colour, points.shape).copy())
        self._replace(name, shown)

    def show_panel(
        self, name: str, image: Image | None, place: tuple[float, float] = (0.0, 0.0), below_px: float = 0.0
    ) -> None:
        """Show an image on the screen; None removes it.

        Args:
            name: Name of the panel; an earlier one of that name is replaced.
            image: BGR image. Shape: (height, width, 3).
            place: Position from 0 to 1 across and down; 0, 0 is the top left corner.
            below_px: Additional distance from the top.
        """
        if image is None:
            self._panels.pop(name, None)
            self._replace(name, None)
            return
        known = self._panels.get(name)
        panel = self._panels[name] = ScreenPanel(image, place, below_px)
        shown = self._shown.get(name) or self._o3d.geometry.TriangleMesh()
        height, width = image.shape[:2]
        if known is None or known.image.shape != image.shape:
            corners = outline(width, height, RADIUS_PX)
            triangles = fan(len(corners))
            shown.vertices = self._o3d.utility.Vector3dVector(np.zeros((len(corners), 3)))
            shown.triangles = self._o3d.utility.Vector3iVector(triangles)
            uv = (corners / (width, height))[triangles.ravel()]
            shown.triangle_uvs = self._o3d.utility.Vector2dVector(uv)
            shown.triangle_material_ids = self._o3d.utility.IntVector(np.zeros(len(triangles), np.int32))
        shown.textures = [self._o3d.geometry.Image(np.ascontiguousarray(image[..., ::-1]))]
        self._hang(shown, panel, self.view)
        self._replace(name, shown)

    def tick(self, *, redraw: bool) -> bool:
        """Redraw if needed and process the user's input; False once the window is closed."""
        view = self.view
        if not view.equals(self._last_view):
            for name, panel in self._panels.items():
                self._hang(self._shown[name], panel, view)
                self._vis.update_geometry(self._shown[name])
            redraw, self._last_view = True, view
        if redraw:
            self._vis.update_renderer()
        self._is_open = self._is_open and bool(self._vis.poll_events())
        return self._is_open

    def picture(self) -> Image:
        """The window's content as a BGR image. Shape: (height, width, 3)."""
        self.tick(redraw=True)
        shown = np.asarray(self._vis.capture_screen_float_buffer(True))
        return np.ascontiguousarray(np.rint(255.0 * shown[..., ::-1]).astype(np.uint8))

    def save(self, path: Path) -> None:
        """Write the window's content as an image.

        Raises:
            RealtimeError: the file cannot be written, or its name lacks the suffix of an image.
        """
        try:
            written = cv2.imwrite(str(path), self.picture())
        except cv2.error:
            written = False
        if not written:
            raise RealtimeError(
                f"{path}: the image cannot be written; give a .png or .jpg file in a folder of yours"
            )

    def end(self) -> None:
        """Make the next `tick` return False."""
        self._is_open = False

    def close(self) -> None:
        """Remove the window."""
        self._vis.destroy_window()

    def _replace(self, name: str, geometry: Any) -> None:
        """Show, update or remove the geometry of a name."""
        known = self._shown.get(name)
        if geometry is None:
            if known is not None:
                self._vis.remove_geometry(self._shown.pop(name), reset_bounding_box=False)
        elif known is None:
            self._shown[name] = geometry
            self._vis.add_geometry(geometry, reset_bounding_box=False)
        else:
            self._vis.update_geometry(geometry)

    def _hang(self, mesh: Any, panel: ScreenPanel, view: Viewpoint) -> None:
        height, width = panel.image.shape[:2]
        margin = MARGIN * view.height_px
        room = np.array([view.width_px - width, view.height_px - height]) - 2.0 * margin
        # Whole pixels, so that text stays sharp.
        at = np.round(margin + np.array(panel.place) * room + (0.0, panel.below_px))
        corners = outline(width, height, RADIUS_PX) + at
        mesh.vertices = self._o3d.utility.Vector3dVector(view.in_ground(corners, DEPTH_M))

    def _frame_extent(self) -> None:
        """Set the size of the scene once, so that later geometry does not move the viewpoint."""
        box = self._o3d.geometry.LineSet()
        corners = EXTENT_M * np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
        box.points = self._o3d.utility.Vector3dVector(corners)
        box.lines = self._o3d.utility.Vector2iVector(np.array([[0, 1]], np.int32))
        box.colors = self._o3d.utility.Vector3dVector(BACKGROUND[None])
        self._vis.add_geometry(box)
        self._vis.remove_geometry(box, reset_bounding_box=False)
        self._control.set_constant_z_near(NEAR_M)
        self._control.set_constant_z_far(FAR_M)
