"""Light, noise, shadows, materials and webcams against what they should integrate, differ or average to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from train.clothing.materials import Material, Pattern, cloth, material_table, second_share, srgb
from train.clothing.noise import noise3, noise3_gradient, noise_lattice
from train.errors import TrainError
from train.scene.environment import directions, harmonics_of, load_panorama, panorama_files, split_sun, turned
from train.scene.ground import Ground, contact_map, floor_brightness
from train.scene.lighting import Light, irradiance, lit_share, shadow_map
from train.scene.raster import NO_CLIP
from train.scene.webcam import Webcam, expose, sample_webcam

LATTICE = noise_lattice()
CLEAN = Webcam(
    exposure=1.0, white_balance=(1.0, 1.0, 1.0), contrast=1.0, saturation=1.0, vignette=0.0, defocus_px=0.0,
    motion_px=0.0, motion_angle=0.0, shot_noise=0.0, read_noise=0.0, chroma_noise=0.0, sharpening=0.0,
    jpeg_quality=98, video=False,
)  # fmt: skip


def smooth_panorama(rng: np.random.Generator, height: int = 64) -> np.ndarray:
    coarse = rng.random((4, 8, 3)).astype(np.float32)
    return cv2.resize(
        np.hstack([coarse, coarse[:, :1]]), (2 * height, height), interpolation=cv2.INTER_CUBIC
    ).clip(0.01)


def integrated_irradiance(radiance: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Cosine-weighted mean of the radiance over the hemisphere: irradiance over pi."""
    height, width = radiance.shape[:2]
    polar = (np.arange(height) + 0.5) / height * np.pi
    solid_angle = (np.sin(polar) * np.pi / height * 2 * np.pi / width)[:, None]
    cosine = np.maximum(directions(height, width) @ normal, 0.0)
    return (radiance * (cosine * solid_angle)[..., None]).sum((0, 1)) / np.pi


def quad(height_m: float, half_m: float) -> tuple[np.ndarray, np.ndarray]:
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    p_m = np.array([(half_m * x, height_m, half_m * z) for x, z in corners], np.float32)
    return p_m, np.array([(0, 1, 2), (0, 2, 3)], np.int32)


def lamp(direction: tuple[float, float, float], sun: float = 1.0) -> Light:
    d = np.array(direction, np.float32)
    harmonics = np.zeros((9, 3), np.float32)
    harmonics[0] = 0.2
    return Light(d / np.linalg.norm(d), np.full(3, sun, np.float32), harmonics)


def test_noise_gradient_equals_finite_differences():
    rng = np.random.default_rng(1)
    for point in rng.uniform(-40.0, 40.0, (100, 3)):
        if (np.abs(point - np.round(point)) < 1e-3).any():
            continue
        analytic = noise3_gradient(LATTICE, *point)
        step = 1e-4
        for k in range(3):
            ahead, behind = point.copy(), point.copy()
            ahead[k] += step
            behind[k] -= step
            numeric = (noise3(LATTICE, *ahead) - noise3(LATTICE, *behind)) / (2 * step)
            assert analytic[k] == pytest.approx(numeric, abs=2e-3)


def test_noise_repeats_with_the_lattice_and_is_continuous():
    rng = np.random.default_rng(2)
    for point in rng.uniform(0.0, 32.0, (50, 3)):
        assert noise3(LATTICE, *point) == pytest.approx(noise3(LATTICE, *(point - 32.0)), abs=1e-6)
        assert abs(noise3(LATTICE, *point) - noise3(LATTICE, *(point + 1e-4))) < 1e-2


def test_harmonics_give_the_irradiance_of_the_panorama():
    rng = np.random.default_rng(3)
    radiance = smooth_panorama(rng)
    harmonics = harmonics_of(radiance)
    for _ in range(30):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        expected = integrated_irradiance(radiance, normal)
        got = [irradiance(harmonics, *normal, k) for k in range(3)]
        # Order two leaves a few per cent (Ramamoorthi and Hanrahan: 1 % on average, 9 % at most).
        np.testing.assert_allclose(got, expected, rtol=0.04)


def test_turning_a_light_equals_turning_its_panorama():
    rng = np.random.default_rng(4)
    radiance = smooth_panorama(rng)
    width = radiance.shape[1]
    columns = 21
    radiance[14:17, 120:124] = 30.0  # near the seam
    light = split_sun(radiance)
    rolled = split_sun(np.roll(radiance, columns, axis=1))
    got = turned(light, columns / width * 2.0 * np.pi)
    np.testing.assert_allclose(got.harmonics, rolled.harmonics, atol=2e-4)
    np.testing.assert_allclose(got.sun_direction, rolled.sun_direction, atol=1e-5)


def test_sun_is_found_and_its_light_is_kept():
    radiance = np.full((64, 128, 3), 0.3, np.float32)
    d = directions(64, 128)
    towards = np.array([0.4, 0.8, -0.45])
    towards /= np.linalg.norm(towards)
    radiance[d @ towards > np.cos(np.radians(4.0))] = 80.0
    light = split_sun(radiance)
    assert light.sun_direction @ towards > np.cos(np.radians(3.0))
    normal = towards
    total = light.sun + [irradiance(light.harmonics, *normal, k) for k in range(3)]
    np.testing.assert_allclose(total, integrated_irradiance(radiance, normal), rtol=0.03)


def test_shadow_falls_along_the_sun_and_nowhere_else():
    p_m, faces = quad(1.0, 0.2)
    light = lamp((1.0, 2.0, 0.5))
    shadow = shadow_map(p_m, faces, NO_CLIP, light.sun_direction, 1.0)
    s = light.sun_direction.astype(float)
    under = -s / s[1]  # where the sun's ray through the quad's middle meets the floor, relative to the quad
    x, z = under[0], under[2]
    assert lit_share(shadow, x, 0.0, z, 1.0, 0.01) == 0.0
    assert lit_share(shadow, x + 0.5, 0.0, z, 1.0, 0.01) == 1.0
    assert lit_share(shadow, 0.0, 2.0, 0.0, 1.0, 0.01) == 1.0  # above it
    assert lit_share(shadow, 0.0, 1.0, 0.0, 1.0, 0.02) == 1.0  # on it


def test_floor_darkens_under_what_is_close_to_it():
    light = lamp((0.0, 1.0, 0.0), sun=0.0)
    brightness = []
    for height_m in (0.01, 0.1, 0.5):
        rng = np.random.default_rng(5)
        p_m = np.c_[rng.uniform(-0.3, 0.3, 4000), np.full(4000, height_m), rng.uniform(-0.3, 0.3, 4000)]
        contact = contact_map(p_m.astype(np.float32), 0.0)
        quad_m, faces = quad(height_m, 0.3)
        shadow = shadow_map(quad_m, faces, NO_CLIP, light.sun_direction, 1.0)
        ground = Ground(0.0, light, shadow, contact)
        brightness.append(floor_brightness(0.0, 0.0, ground))
        assert floor_brightness(1.2, 0.0, ground) == pytest.approx(1.0, abs=1e-4)
    assert brightness[0] < 0.3 < brightness[1] < brightness[2] < 1.0


@pytest.mark.parametrize("pattern", list(Pattern))
def test_patterns_stay_between_their_two_colours(pattern):
    rng = np.random.default_rng(int(pattern))
    shares = [
        second_share(int(pattern), *rng.uniform(-0.5, 0.5, 3), rng.uniform(5, 60), LATTICE, 0.001)
        for _ in range(400)
    ]
    assert min(shares) >= 0.0 and max(shares) <= 1.0


def test_clothes_are_mostly_muted():
    rng = np.random.default_rng(6)
    saturation = []
    for _ in range(400):
        display = np.clip(cloth(rng).colour, 0, 1) ** (1 / 2.2)
        saturation.append((display.max() - display.min()) / max(display.max(), 1e-6))
    assert np.median(saturation) < 0.35
    assert (np.array(saturation) > 0.7).mean() < 0.2


def test_material_table_keeps_rows():
    rng = np.random.default_rng(7)
    red = Material(Pattern.PLAIN, srgb(200, 10, 10), srgb(0, 0, 0), frequency=3.0, hem=0.5)
    table = material_table([cloth(rng), red], rng)
    assert table.pattern[1] == Pattern.PLAIN
    np.testing.assert_array_equal(table.colour[1], red.colour)
    assert table.scalar[1, 0] == 3.0 and table.scalar[1, 7] == 0.5


def test_srgb_follows_the_standard():
    np.testing.assert_allclose(srgb(255, 0, 10), [1.0, 0.0, 10 / 255 / 12.92], atol=1e-6)
    np.testing.assert_allclose(srgb(128, 128, 128), 0.21586, atol=1e-4)


def test_webcam_keeps_grey_grey_and_order_of_brightness():
    rng = np.random.default_rng(8)
    ramp = np.repeat(np.linspace(0.02, 1.0, 64, dtype=np.float32)[None, :, None], 64, 0).repeat(3, 2)
    image = expose(np.ascontiguousarray(ramp), CLEAN, 1.0, rng).astype(int)
    assert np.abs(image - image.mean(2, keepdims=True)).max() <= 3
    assert (np.diff(image[32, :, 1]) >= -2).all()
    assert image[32, -1, 1] - image[32, 0, 1] > 120


def test_webcam_noise_has_the_size_asked_for_and_averages_away_in_shrunk_frames():
    flat = np.full((128, 128, 3), 0.2, np.float32)
    noisy = Webcam(**{**{f: getattr(CLEAN, f) for f in CLEAN.__slots__}, "read_noise": 0.03})
    full, shrunk = (
        expose(flat, noisy, scale, np.random.default_rng(9)).astype(float).std() for scale in (1.0, 0.25)
    )
    assert full == pytest.approx(0.03 * 255, rel=0.15)
    assert shrunk < 0.4 * full


def test_frames_coarser_than_the_crop_lose_detail():
    rng = np.random.default_rng(10)
    checks = np.kron(rng.random((64, 64, 1)).astype(np.float32), np.ones((2, 2, 3), np.float32))
    detail = [
        np.abs(np.diff(expose(checks, CLEAN, scale, rng).astype(float), axis=1)).mean()
        for scale in (1.0, 3.0)
    ]
    assert detail[1] < 0.5 * detail[0]


def test_random_webcams_are_reproducible_and_in_range():
    flat = np.full((64, 64, 3), 0.2, np.float32)
    for seed in range(20):
        first, second = (np.random.default_rng(seed) for _ in range(2))
        webcam = sample_webcam(first)
        assert webcam == sample_webcam(second)
        np.testing.assert_array_equal(expose(flat, webcam, 1.3, first), expose(flat, webcam, 1.3, second))


def test_panoramas_are_refused_by_name(tmp_path: Path):
    with pytest.raises(TrainError, match=r"no \.hdr"):
        panorama_files(tmp_path)
    square = tmp_path / "square.hdr"
    cv2.imwrite(str(square), np.ones((8, 8, 3), np.float32))
    with pytest.raises(TrainError, match="twice as wide"):
        load_panorama(square)
    broken = tmp_path / "broken.hdr"
    broken.write_bytes(b"#?RADIANCE\nnot really")
    with pytest.raises(TrainError, match="broken"):
        load_panorama(broken)
    assert panorama_files(None) == ()


def test_panoramas_are_exposed_alike(tmp_path: Path):
    rng = np.random.default_rng(11)
    levels = []
    for k, factor in enumerate((0.05, 1.0, 40.0)):
        path = tmp_path / f"{k}.hdr"
        cv2.imwrite(str(path), smooth_panorama(rng) * factor)
        light = load_panorama(path).light
        levels.append(light.harmonics[0].mean() + 0.35 * light.sun.mean())
    assert max(levels) < 1.3 * min(levels)


def test_video_compression_takes_fine_grain_and_keeps_edges() -> None:
    rng = np.random.default_rng(3)
    linear = np.full((96, 96, 3), 0.12, np.float32)
    linear[:, 48:] = 0.5
    noisy = Webcam(
        **{**{f: getattr(CLEAN, f) for f in CLEAN.__slots__}, "read_noise": 0.03, "jpeg_quality": 60}
    )
    video = Webcam(**{**{f: getattr(noisy, f) for f in noisy.__slots__}, "video": True})
    still, coded, again = (expose(linear, w, 1.0, np.random.default_rng(5)) for w in (noisy, video, video))
    np.testing.assert_array_equal(coded, again)
    grain = [np.diff(image[:, :40].astype(float), axis=1).std() for image in (still, coded)]
    assert grain[1] < 0.6 * grain[0]
    step = [float(image[:, 56:].mean() - image[:, :40].mean()) for image in (still, coded)]
    assert step[1] == pytest.approx(step[0], rel=0.05)
    assert any(sample_webcam(rng).video for _ in range(20))
