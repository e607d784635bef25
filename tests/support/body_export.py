"""Export of a few adults beside the tests: Anny needs minutes when it is new."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_SCRIPT = """import sys
from pathlib import Path
path = Path(sys.argv[1])
try:
    from train.bodies.anny_export import export_body_model
    from train.bodies.bodies import save_body_model
    save_body_model(export_body_model(24, 16), path)
finally:
    if not path.exists():
        path.with_suffix(".failed").touch()
"""
_LONGEST_S = 800.0


class BodyExport:
    """24 adults in a file, exported once for all processes that a run of the tests is divided among."""

    def __init__(self, folder: Path) -> None:
        """Start the export, unless another process of the run has.

        Args:
            folder: A place that all processes of the run see.
        """
        self._path = folder / "export" / "adults.npz"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._path.parent.mkdir()
        except FileExistsError:
            return
        self._process = subprocess.Popen([sys.executable, "-c", _SCRIPT, str(self._path)])

    def wait(self) -> Path:
        """File of the adults, once it is whole."""
        end_s = time.monotonic() + _LONGEST_S
        while not self._path.exists():
            has_failed = self._path.with_suffix(".failed").exists()
            assert not has_failed, "the export of the bodies failed; its message is above"
            assert time.monotonic() < end_s, "the export of the bodies does not end"
            time.sleep(0.2)
        return self._path

    def close(self, *, others_wait: bool) -> None:
        """End the export, or let it finish if other processes wait for it."""
        if self._process is not None:
            if not others_wait:
                self._process.kill()
            self._process.wait()
