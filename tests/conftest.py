"""Fixtures shared by the tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.body_export import BodyExport
from tests.support.environment import SYSTEM_PACKAGES, import_or_skip

if TYPE_CHECKING:
    from train.bodies.bodies import BodyModel
    from train.bodies.puppet import PuppetPool

try:
    import cv2  # noqa: F401
except ImportError as error:  # nearly all tests need it: name the cause once
    pytest.exit(f"OpenCV cannot be loaded ({error}); {SYSTEM_PACKAGES}", returncode=1)

settings.register_profile("kinecast", deadline=None)  # a busy machine is not a failure
settings.load_profile("kinecast")

# A shell's background job ignores Ctrl-C, and one under nohup the end of its terminal; so would the programs
# that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Nobody's own options may change what tests see.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="kinecast-tests-")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of development data that is not part of the project."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"development data not found at {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_engines_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines that somebody built for their own use may not change what tests see."""
    from engines import selection

    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(selection, "default_engines_dir", lambda: folder)
        yield


@pytest.fixture(scope="session")
def open3d() -> ModuleType:
    """Open3D, which the viewer's window needs."""
    return import_or_skip(
        "open3d", f"install it: pip install -e '.[viewer]', and the system libraries {SYSTEM_PACKAGES}"
    )


@pytest.fixture(scope="session", autouse=True)
def body_export(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BodyExport | None]:
    """24 adults that are exported while other tests run.

    None where no test wants them, the user's cache has them, or Anny is missing.
    """
    from train.bodies.adults import default_body_model_path

    is_wanted = any("body_model" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if not is_wanted or default_body_model_path().exists() or find_spec("anny") is None:
        yield None
        return
    is_divided = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp()
    export = BodyExport(folder.parent if is_divided else folder)
    yield export
    export.close(others_wait=is_divided)


@pytest.fixture(scope="session")
def body_model(body_export: BodyExport | None) -> BodyModel:
    """24 adults, from the user's cache or exported anew."""
    from train.bodies.adults import default_body_model_path, load_body_model

    if body_export is not None:
        return load_body_model(body_export.wait())
    if not default_body_model_path().exists():
        pytest.importorskip("anny", reason="bodies are exported from Anny")
    full = load_body_model()
    return replace(
        full, scores=full.scores[:24], age_years=full.age_years[:24], femininity=full.femininity[:24]
    )


@pytest.fixture(scope="session")
def bodies_path(body_model: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 24 adults as a file."""
    from train.bodies.bodies import save_body_model

    path = tmp_path_factory.mktemp("bodies") / "adults.npz"
    save_body_model(body_model, path)
    return path


@pytest.fixture(scope="session")
def pool(bodies_path: Path) -> PuppetPool:
    """The 24 adults with the skeleton fitted to them."""
    from train.bodies.puppet import PuppetPool

    return PuppetPool(path=bodies_path)


@pytest.fixture(scope="module")
def one_torch_thread() -> Iterator[None]:
    """For small products: threads would only wait for each other."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
