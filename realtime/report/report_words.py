"""What coordinates are called in a report, and how they are grouped."""

from __future__ import annotations

from collections.abc import Iterable

from calib.coordinates import stem_of

TITLES = {
    "pelvis_tx": "Pelvis position, forward",
    "pelvis_ty": "Pelvis position, up",
    "pelvis_tz": "Pelvis position, to the right",
    "knee_angle": "Knee flexion",
    "ankle_angle": "Ankle dorsiflexion",
    "mtp_angle": "Toe angle",
    "arm_flex": "Arm flexion",
    "arm_add": "Arm adduction",
    "arm_rot": "Arm rotation",
    "elbow_flex": "Elbow flexion",
    "pro_sup": "Forearm pronation",
    "wrist_flex": "Wrist flexion",
    "wrist_dev": "Wrist deviation",
}
"""Where the coordinate's own name would not do."""

GROUPS = {
    "Legs": ("hip", "knee", "ankle", "subtalar", "mtp"),
    "Pelvis": ("pelvis",),
    "Trunk and neck": ("lumbar", "neck"),
    "Arms": ("arm", "elbow", "pro", "wrist"),
}
"""Group -> first words of coordinates."""
OTHERS = "Other coordinates"


def title_of(name: str) -> str:
    """Words for a coordinate, without its side."""
    stem = stem_of(name)
    return TITLES.get(stem, stem.replace("_", " ").capitalize())


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Stems of coordinates under their group, each once, in order."""
    groups: dict[str, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    for stem in dict.fromkeys(stem_of(name) for name in names):
        first = stem.partition("_")[0]
        group = next((group for group, words in GROUPS.items() if first in words), OTHERS)
        groups[group].append(stem)
    return {group: stems for group, stems in groups.items() if stems}
