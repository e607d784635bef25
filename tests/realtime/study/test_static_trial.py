"""A static trial makes a person model, with which that person's trials are tracked."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from calib.subject import load_subject
from realtime.cli import main
from tests.support.studies import cut_demo, demo_images, write_video

N_STANDING, STANDING_HZ = 30, 10.0
"""A measurement is taken ten times a second."""


@pytest.mark.timeout(300)
def test_who_stands_still_is_known_in_the_next_trial(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    standing = [demo_images()[100]] * N_STANDING
    write_video(videos / "anna" / "static.mp4", standing, STANDING_HZ)
    cut_demo(videos / "anna" / "walk.mp4", 80, 8)
    cut_demo(videos / "ben" / "walk.mp4", 80, 8)
    (videos / "people.csv").write_text("subject,height_m,sex\nanna,1.6,female\nben,1.6,\n")
    assert main(["study", "init", str(videos), "--out", str(tmp_path / "study.toml")]) == 0
    assert main(["study", "run", str(tmp_path / "study.toml"), "--out", str(out)]) == 0
    rows = list(csv.DictReader((out / "trials.csv").read_text().splitlines()))
    assert [(row["subject"], row["person_model"]) for row in rows] == [("anna", "static"), ("ben", "stature")]
    person = out / "anna" / "person" / "subject.json"
    model = load_subject(person, load_skeleton())
    assert model.height_m == 1.6 and np.ptp(model.scale_factors) > 0.01
    # Tracked alone with the same person model, byte for byte; the same video without it is another person.
    words = ["replay", str(videos / "anna" / "walk.mp4"), "--subject", str(person)]
    assert main([*words, "--out", str(tmp_path / "alone")]) == 0
    anna, ben, alone = (
        (folder / "angles.sto").read_bytes()
        for folder in (out / "anna/walk", out / "ben/walk", tmp_path / "alone")
    )
    assert anna == alone != ben
