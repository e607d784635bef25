"""The LSL bridge: pylsl's own inlet finds it, knows what it is, and gets true times."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from pylsl import IRREGULAR_RATE, StreamInlet, local_clock, resolve_bypred, set_config_content

from realtime.bridges.lsl import LslBridge, lsl_clock_offset_s, source_id, xml_text
from realtime.errors import BridgeError
from realtime.sample import Status
from realtime.stream.to_messages import meta_of, model_of
from tests.support.bridging import SKELETON, bridged, new_publisher, publish_until
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import PATIENCE_S

NAME = "kinecast-test"


@pytest.fixture(scope="module")
def inlet_and_samples():
    """An inlet that has received samples of two runs of the tracker, and what was sent."""
    set_config_content("[multicast]\nResolveScope = machine\n")
    sent, received = {}, []

    def sample(k: int):
        made = (
            random_sample(SKELETON, k)
            if k % 5
            else lost_sample(SKELETON, k, t_capture_ns=time.perf_counter_ns())
        )
        if k % 5 == 2:
            made = replace(made, status=Status.UNSURE)
        sent[made.t_capture_ns] = made
        return made

    with new_publisher() as publisher:
        address = publisher.address
        with bridged(LslBridge(address, markers=True, name=NAME, allow_network=True), address) as running:
            publish_until(publisher, sample, lambda: running.subscription.meta is not None)
            (info,) = resolve_bypred(f"name='{NAME}'", 1, PATIENCE_S)
            inlet = StreamInlet(info)
            inlet.open_stream(PATIENCE_S)

            def take() -> bool:
                values, stamp = inlet.pull_sample(0.0)
                if values is not None:
                    received.append((stamp, values))
                return len(received) >= goal

            goal = 12
            publish_until(publisher, sample, take)
            publisher.close()
            with new_publisher(address) as second:
                goal = 24
                publish_until(second, sample, take)
            assert running.subscription.restarts == 1
            yield inlet, sent, received


def test_no_two_computers_or_sessions_share_an_identifier(monkeypatch: pytest.MonkeyPatch):
    """With default settings, all of them stream from the same address."""
    found = set()
    for host in ("left-lab", "right-lab"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        for session in ("monday", "tuesday"):
            meta = meta_of(session, model_of(SKELETON), None)
            made = {source_id("tcp://127.0.0.1:5570", meta, 80) for _ in range(2)}
            assert len(made) == 1
            found |= made
    assert len(found) == 4


def test_the_description_follows_the_conventions_of_mocap(inlet_and_samples):
    info = inlet_and_samples[0].info(PATIENCE_S)
    assert (info.name(), info.type(), info.nominal_srate()) == (NAME, "MoCap", IRREGULAR_RATE)
    assert info.source_id().startswith("kinecast-")
    channels, channel = [], info.desc().child("channels").child("channel")
    while not channel.empty():
        channels.append(tuple(channel.child_value(field) for field in ("label", "type", "unit", "marker")))
        channel = channel.next_sibling()
    n_q = SKELETON.n_q
    assert len(channels) == info.channel_count() == 2 * n_q + 3 * SKELETON.n_markers + 1
    names = SKELETON.coordinate_names
    assert channels[names.index("knee_angle_r")] == ("knee_angle_r", "JointAngle", "degrees", "")
    assert channels[names.index("pelvis_ty")] == ("pelvis_ty", "PositionY", "meters", "")
    assert channels[n_q][:3] == (f"{names[0]}_confidence", "Confidence", "normalized")
    first = SKELETON.marker_names[0]
    assert channels[2 * n_q : 2 * n_q + 3] == [
        (f"{first}_{a}", f"Position{a}", "meters", first) for a in "XYZ"
    ]
    assert channels[-1][:3] == ("status", "Status", "code")
    acquisition = info.desc().child("acquisition")
    assert acquisition.child_value("manufacturer") == "kinecast"
    assert acquisition.child("settings").child_value("skeleton_sha") == SKELETON.sha


def test_samples_carry_what_was_captured_and_when(inlet_and_samples):
    _, sent, received = inlet_and_samples
    assert len(received) >= 24 and all(np.diff([stamp for stamp, _ in received]) > 0.0)
    offset_s = lsl_clock_offset_s()
    unit = np.where(SKELETON.is_rotational, np.degrees(1.0), 1.0)
    n_q, n_lost = SKELETON.n_q, 0
    for stamp, values in received:
        at_ns = (stamp - offset_s) * 1e9
        nearest = min(sent, key=lambda t: abs(t - at_ns))
        assert abs(nearest - at_ns) < 2e6  # the samples are 10 ms apart
        made = sent[nearest]
        np.testing.assert_allclose(values[:n_q], made.q * unit, rtol=1e-12)
        np.testing.assert_allclose(values[2 * n_q : -1], made.markers_m.ravel(), rtol=1e-12)
        if np.isnan(values[0]):
            n_lost += 1
            assert values[-1] == 0.0
            assert not any(values[n_q : 2 * n_q])
        else:
            np.testing.assert_allclose(values[n_q : 2 * n_q], made.confidence)
            assert values[-1] == {"unsure": 2.0, "tracking": 3.0}[made.status]
    assert n_lost


def test_the_clocks_agree():
    now_s = time.perf_counter() + lsl_clock_offset_s()
    assert abs(local_clock() - now_s) < 0.05


def test_it_asks_before_it_opens_to_the_network():
    with pytest.raises(BridgeError, match="--allow-network"):
        LslBridge("tcp://127.0.0.1:5570")


def test_text_is_fit_for_xml():
    assert xml_text("a\x00\x1bb<é>\n") == "ab<é>"
