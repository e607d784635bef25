"""Dimensions of the default skeleton: one adult, 1.75 m and 75 kg, from published tables.

Body frames are those of Rajagopal2016: X forward, Y up, Z right while the person stands in the zero pose
(upright, arms down, palms forward). Only the right limbs are listed; the left ones are their mirror images.
Lengths written as `fraction * STATURE_M` come from tables of segment lengths, the others were rounded to
whole millimetres or tenths of them for this stature.

Sources:
    Drillis & Contini 1966, in Winter 2009, fig. 4.1: thigh .245, shank .246 and foot height .039 of stature.
    de Leva 1996, J Biomech 29:1223, table 4 (male): joint-to-joint lengths of the arm (.1618, .1545, .0495
        of stature), masses, centres of mass, radii of gyration.
    Harrington et al. 2007, J Biomech 40:595: hip centre from the width and depth of the pelvis.
    Dumas et al. 2007, J Biomech 40:543: cervical joint centre (C7/T1) over the hips.
    Gordon et al. 2014 (ANSUR II, men): heights of acromion (.822), cervicale (.8655), tragion (.9255) and eye
        (.9305), breadths and depths of head, shoulders, elbow, wrist, knee, ankle and foot.
    Schneider et al. 1983 (AMVO): head-neck joint 24 mm below the tragion and 11 mm behind it.
    Yoganandan et al. 2009, J Biomech 42:1177: mass of the head without the neck.
    Delp et al. 1990, IEEE TBME 37:757; Inman 1976, The Joints of the Ankle: ankle, subtalar and toe axes.
    Walker et al. 1988, J Biomech 21:965, as reduced in Rajagopal et al. 2016, IEEE TBME 63:2068: turning of
        the tibia as the knee flexes. Churchill et al. 1998, Clin Orthop 356:111: flexion about one axis.
    Holzbaur et al. 2005, Ann Biomed Eng 33:829; Rajagopal et al. 2016: elbow, forearm and wrist axes, lumbar
        joint, zero pose.
"""

from __future__ import annotations

from dataclasses import dataclass

STATURE_M = 1.75
MASS_KG = 75.0

Vec3 = tuple[float, float, float]

X: Vec3 = (1.0, 0.0, 0.0)
Y: Vec3 = (0.0, 1.0, 0.0)
Z: Vec3 = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class BodyRow:
    """Mass properties of a body."""

    name: str
    mass_fraction: float
    """Of the whole person's mass."""
    mass_centre_m: Vec3
    gyration_m: Vec3
    """Radii of gyration about the body's X, Y and Z through its mass centre."""


@dataclass(frozen=True, slots=True)
class AxisRow:
    """A rotation or translation of a joint."""

    axis: Vec3
    coordinate: str
    range: tuple[float, float] = (0.0, 0.0)
    """In degrees or m. Of the first axis that names the coordinate."""
    polynomial: tuple[float, ...] = (1.0, 0.0)
    """Angle or shift as a function of the coordinate, in rad or m; highest power first."""


@dataclass(frozen=True, slots=True)
class JointRow:
    """Where a body is joined to its parent, and how it moves there; the joint is the child's origin."""

    name: str
    parent: str
    child: str
    location_m: Vec3
    rotations: tuple[AxisRow, ...] = ()
    translations: tuple[AxisRow, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkerRow:
    """A point on the skin, or the centre of a joint."""

    name: str
    """Without the R or L that markers in pairs start with."""
    body: str
    location_m: Vec3


# Anterior superior iliac spines 238 mm apart, their middle 155 mm in front of that of the posterior ones, and
# that line level within 6 deg in the zero pose: Harrington's equations give (-47.1, -82.3, 85.8) mm along the
# line, hence these numbers along the pelvis frame, whose origin is midway between the anterior spines.
HIP_IN_PELVIS_M: Vec3 = (-0.0554, -0.0769, 0.0858)
LUMBAR_IN_PELVIS_M: Vec3 = (-0.1015, 0.084, 0.0)
HIP_HEIGHT_M = (0.245 + 0.246 + 0.039) * STATURE_M
PELVIS_HEIGHT_M = HIP_HEIGHT_M - HIP_IN_PELVIS_M[1]
LUMBAR_HEIGHT_M = PELVIS_HEIGHT_M + LUMBAR_IN_PELVIS_M[1]

# The shoulder's centre is 30 mm below the acromion; the head-neck joint follows from the tragion.
SHOULDER_IN_TORSO_M: Vec3 = (0.0088, 0.805 * STATURE_M - LUMBAR_HEIGHT_M, 0.1 * STATURE_M)
NECK_IN_TORSO_M: Vec3 = (-0.014, 0.852 * STATURE_M - LUMBAR_HEIGHT_M, 0.0)
HEAD_IN_NECK_M: Vec3 = (0.021, (0.9255 - 0.852) * STATURE_M - 0.024, 0.0)
VERTEX_IN_HEAD_M = (1.0 - 0.9255) * STATURE_M + 0.024

# The medial edge of the trochlea; the middle of the epicondyles is .1618 of stature below the shoulder.
ULNA_IN_HUMERUS_M: Vec3 = (0.013, -0.286, -0.0096)
RADIUS_IN_ULNA_M: Vec3 = (-0.0074, -0.0133, 0.0266)
HAND_IN_RADIUS_M: Vec3 = (-0.0091, -0.2515, 0.0156)
KNUCKLE_IN_HAND_M: Vec3 = (0.0, -0.0495 * STATURE_M, 0.0)

# Ankle axis: 80 deg to the shank and 84 deg to the foot's line; subtalar: 37 deg up and 9 deg inward;
# toes: 36 deg oblique. As in Rajagopal2016, positive mtp_angle bends the toes down.
ANKLE_AXIS: Vec3 = (-0.10501, -0.17402, 0.97913)
SUBTALAR_AXIS: Vec3 = (0.78718, 0.60475, -0.12095)
TOES_AXIS: Vec3 = (0.58095, 0.0, -0.81394)
ELBOW_AXIS: Vec3 = (0.22605, 0.02227, 0.97386)
FOREARM_AXIS: Vec3 = (0.0564, 0.99841, 0.00195)

MIDLINE_BODIES = (
    BodyRow("pelvis", 0.1117, (-0.07, -0.02, 0.0), (0.09, 0.086, 0.08)),
    BodyRow("torso", 0.3229, (-0.01, 0.2, 0.0), (0.157, 0.107, 0.135)),
    BodyRow("neck", 0.0120, (0.01, 0.05, 0.0), (0.045, 0.042, 0.045)),
    BodyRow("head", 0.0574, (0.02, 0.055, 0.0), (0.074, 0.064, 0.077)),
)
LEG_BODIES = (
    BodyRow("femur", 0.1416, (0.0, -0.1756, 0.0), (0.141, 0.064, 0.141)),
    BodyRow("tibia", 0.0433, (-0.003, -0.192, 0.0), (0.11, 0.044, 0.107)),
    BodyRow("talus", 0.0011, (0.0, 0.0, 0.0), (0.02, 0.02, 0.02)),
    BodyRow("calcn", 0.0105, (0.09, 0.005, 0.0), (0.03, 0.06, 0.06)),
    BodyRow("toes", 0.0021, (0.03, -0.005, 0.0), (0.02, 0.03, 0.03)),
)
ARM_BODIES = (
    BodyRow("humerus", 0.0271, (0.005, -0.163, -0.002), (0.081, 0.045, 0.076)),
    BodyRow("ulna", 0.0081, (-0.008, -0.12, 0.012), (0.075, 0.033, 0.072)),
    BodyRow("radius", 0.0081, (-0.004, -0.11, 0.006), (0.075, 0.033, 0.072)),
    BodyRow("hand", 0.0061, (0.0, -0.068, 0.0), (0.054, 0.035, 0.044)),
)

ROOT = JointRow(
    "ground_pelvis", "ground", "pelvis", (0.0, 0.0, 0.0),
    (
        AxisRow(Z, "pelvis_tilt", (-360.0, 360.0)),
        AxisRow(X, "pelvis_list", (-360.0, 360.0)),
        AxisRow(Y, "pelvis_rotation", (-3600.0, 3600.0)),
    ),
    (
        AxisRow(X, "pelvis_tx", (-100.0, 100.0)),
        AxisRow(Y, "pelvis_ty", (-100.0, 100.0)),
        AxisRow(Z, "pelvis_tz", (-100.0, 100.0)),
    ),
)  # fmt: skip
LEG = (
    JointRow("hip", "pelvis", "femur", HIP_IN_PELVIS_M, (
        AxisRow(Z, "hip_flexion", (-30.0, 130.0)),
        AxisRow(X, "hip_adduction", (-60.0, 40.0)),
        AxisRow(Y, "hip_rotation", (-60.0, 60.0)),
    )),
    JointRow("knee", "femur", "tibia", (0.0, -0.245 * STATURE_M, 0.0), (
        AxisRow((0.0, 0.0, -1.0), "knee_angle", (-5.0, 150.0)),
        AxisRow(X, "knee_angle", polynomial=(0.037, 0.0)),
        AxisRow(Y, "knee_angle", polynomial=(0.032, -0.167, 0.303, 0.0)),
    )),
    JointRow("ankle", "tibia", "talus", (-0.0105, -0.246 * STATURE_M, 0.0), (
        AxisRow(ANKLE_AXIS, "ankle_angle", (-60.0, 45.0)),
    )),
    JointRow("subtalar", "talus", "calcn", (-0.0503, -0.0432, 0.0081), (
        AxisRow(SUBTALAR_AXIS, "subtalar_angle", (-35.0, 35.0)),
    )),
    JointRow("mtp", "calcn", "toes", (0.18, -0.0022, 0.002), (
        AxisRow(TOES_AXIS, "mtp_angle", (-70.0, 45.0)),
    )),
)  # fmt: skip
TRUNK = (
    JointRow("back", "pelvis", "torso", LUMBAR_IN_PELVIS_M, (
        AxisRow(Z, "lumbar_extension", (-90.0, 45.0)),
        AxisRow(X, "lumbar_bending", (-50.0, 50.0)),
        AxisRow(Y, "lumbar_rotation", (-60.0, 60.0)),
    )),
    JointRow("cervicothoracic", "torso", "neck", NECK_IN_TORSO_M, (
        AxisRow(Z, "neck_flexion", (-70.0, 70.0)),
        AxisRow(X, "neck_bending", (-50.0, 50.0)),
        AxisRow(Y, "neck_rotation", (-90.0, 90.0)),
    )),
    JointRow("craniocervical", "neck", "head", HEAD_IN_NECK_M),
)  # fmt: skip
ARM = (
    JointRow("acromial", "torso", "humerus", SHOULDER_IN_TORSO_M, (
        AxisRow(Z, "arm_flex", (-90.0, 180.0)),
        AxisRow(X, "arm_add", (-180.0, 90.0)),
        AxisRow(Y, "arm_rot", (-120.0, 120.0)),
    )),
    JointRow("elbow", "humerus", "ulna", ULNA_IN_HUMERUS_M, (
        AxisRow(ELBOW_AXIS, "elbow_flex", (-10.0, 155.0)),
    )),
    JointRow("radioulnar", "ulna", "radius", RADIUS_IN_ULNA_M, (
        AxisRow(FOREARM_AXIS, "pro_sup", (-20.0, 160.0)),
    )),
    JointRow("radius_hand", "radius", "hand", HAND_IN_RADIUS_M, (
        AxisRow(Z, "wrist_flex", (-85.0, 85.0)),
        AxisRow(X, "wrist_dev", (-35.0, 45.0)),
    )),
)  # fmt: skip

MIDLINE_MARKERS = (
    MarkerRow("SACR", "pelvis", (-0.161, 0.017, 0.0)),
    MarkerRow("LUMB", "torso", (0.0, 0.0, 0.0)),
    MarkerRow("C7", "torso", (-0.082, 0.8655 * STATURE_M - LUMBAR_HEIGHT_M, 0.0)),
    MarkerRow("T10", "torso", (-0.118, 0.165, 0.0)),
    MarkerRow("CLAV", "torso", (0.038, 0.345, 0.0)),
    MarkerRow("STRN", "torso", (0.095, 0.178, 0.0)),
    MarkerRow("NECK", "neck", (0.0, 0.0, 0.0)),
    MarkerRow("HEAD", "head", (0.01, VERTEX_IN_HEAD_M, 0.0)),
    MarkerRow("NOSE", "head", (0.132, 0.006, 0.0)),
    MarkerRow("CHIN", "head", (0.105, -0.072, 0.0)),
)
SIDE_MARKERS = (
    MarkerRow("ASI", "pelvis", (0.01, 0.005, 0.128)),
    MarkerRow("PSI", "pelvis", (-0.159, 0.017, 0.045)),
    MarkerRow("SHO", "torso", (-0.005, 0.352, 0.19)),
    MarkerRow("EYE", "head", (0.09, 0.034, 0.032)),
    MarkerRow("EAR", "head", (0.011, 0.024, 0.0715)),
    MarkerRow("FHD", "head", (0.09, 0.08, 0.05)),
    MarkerRow("BHD", "head", (-0.07, 0.08, 0.05)),
)
LEG_MARKERS = (
    MarkerRow("HJC", "femur", (0.0, 0.0, 0.0)),
    MarkerRow("THI", "femur", (0.02, -0.24, 0.075)),
    MarkerRow("KNE", "femur", (0.0, -0.245 * STATURE_M, 0.052)),
    MarkerRow("KNEM", "femur", (0.0, -0.245 * STATURE_M, -0.052)),
    MarkerRow("KJC", "tibia", (0.0, 0.0, 0.0)),
    MarkerRow("TIB", "tibia", (0.005, -0.22, 0.055)),
    MarkerRow("ANK", "tibia", (-0.0145, -0.437, 0.0365)),
    MarkerRow("MMAL", "tibia", (-0.0065, -0.424, -0.0365)),
    MarkerRow("AJC", "talus", (0.0, 0.0, 0.0)),
    MarkerRow("HEE", "calcn", (-0.0147, 0.01, -0.005)),
    MarkerRow("TOE", "calcn", (0.185, 0.02, -0.01)),
    MarkerRow("MT1", "calcn", (0.179, -0.005, -0.042)),
    MarkerRow("MT5", "calcn", (0.153, -0.01, 0.05)),
    MarkerRow("HLX", "toes", (0.071, -0.005, -0.03)),
    MarkerRow("STO", "toes", (0.023, -0.008, 0.045)),
)
ARM_MARKERS = (
    MarkerRow("SJC", "humerus", (0.0, 0.0, 0.0)),
    MarkerRow("UPA", "humerus", (0.005, -0.15, 0.045)),
    MarkerRow("ELB", "humerus", (0.0135, -0.281, 0.033)),
    MarkerRow("ELBM", "humerus", (0.0035, -0.285, -0.039)),
    MarkerRow("EJC", "humerus", (0.0085, -0.283, -0.003)),
    MarkerRow("FRM", "ulna", (-0.03, -0.13, 0.012)),
    MarkerRow("WRA", "radius", (-0.009, -0.249, 0.045)),
    MarkerRow("WRB", "radius", (-0.009, -0.245, -0.014)),
    MarkerRow("WJC", "hand", (0.0, 0.0, 0.0)),
    MarkerRow("FIN", "hand", (-0.012, KNUCKLE_IN_HAND_M[1], 0.003)),
    MarkerRow("IND", "hand", (-0.008, -0.087, 0.025)),
    MarkerRow("PNK", "hand", (-0.008, -0.072, -0.035)),
    MarkerRow("THM", "hand", (0.018, -0.075, 0.05)),
    MarkerRow("TIP", "hand", (0.01, -0.187, 0.0)),
)
