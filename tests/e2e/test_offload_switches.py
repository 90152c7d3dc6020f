# SPDX-License-Identifier: GPL-3.0-or-later
"""Each offload by itself, and what the programs say about it: docs/offload.md F.1, F.4, F.5."""

import pytest

from slipway_lab import programs, traffic

MEGABYTE = 1_000_000
FEATURES = ("tun_tso", "tun_uso", "tun_gro", "tun_gro_udp", "udp_segment", "udp_gro")



@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_status_tells_each_offload(lab, mode):
    for program in programs.tunnel(lab, {"mode": mode}, {"mode": mode}):
        offload = program.status()["offload"]
        assert set(offload) == set(FEATURES)
        for feature in FEATURES:
            wanted = "off: mode is tcp" if mode == "tcp" and feature.startswith("udp_") else "on"
            assert offload[feature] == wanted
        assert "tun gro udp:" in program.slipwayctl("status").stdout


# What shows that a feature is in use, on the server of a download and an upload.
USED = {
    "tun_tso": "superpackets",
    "tun_gro": "tun_superpackets_written",
    "udp_segment": "udp_gso_messages",
    "udp_gro": "udp_gro_runs",
}


@pytest.mark.asan
@pytest.mark.parametrize("feature", USED)
def test_each_can_be_switched_off(lab, feature):
    server, _ = programs.tunnel(lab, {f"offload_{feature}": "off"})
    assert server.status()["offload"][feature] == "off: its option is false"
    lines = [line for line in server.process.log().splitlines() if f"{feature} is off" in line]
    assert len(lines) == 1, server.process.log()
    traffic.download(lab.client, 8 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
    metrics = server.metrics()
    for name, counter in USED.items():
        if name == feature:
            assert metrics[counter] == 0
        else:
            assert metrics[counter] > 0, name
    assert metrics["gso_send_failed"] == metrics["tun_gro_refused"] == 0


@pytest.mark.asan
def test_superpackets_are_written_without_any_being_read(lab):
    """The header is there for one direction only, and the offload mask of the device is empty."""
    options = {"offload_tun_tso": "off", "offload_tun_uso": "off"}
    server, _ = programs.tunnel(lab, options, options)
    traffic.download(lab.client, 8 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
    metrics = server.metrics()
    assert metrics["superpackets"] == 0
    assert metrics["tun_superpackets_written"] > 0


@pytest.mark.parametrize("options, reason", (
    ({"mode": "tcp", "offload_udp_gro": "on"},
     "offload_udp_gro is true, but udp_gro is off: mode is tcp"),
    ({"offload_udp_gro": "on", "enable_tun_offload": False}, "needs enable_tun_offload"),
))
def test_offload_that_is_required_and_missing_ends_the_start(lab, options, reason):
    server = programs.Server(lab, **options)
    assert server.process.wait_for_end(5) == 1
    assert reason in server.process.log()


def test_segments_of_a_send_are_bounded(lab):
    options = {"max_segments_per_send": 8}
    server, _ = programs.tunnel(lab, options, options)
    traffic.download(lab.client, 8 * MEGABYTE)
    metrics = server.metrics()
    mean = metrics["udp_gso_datagrams"] / metrics["udp_gso_messages"]
    assert 4 < mean <= 8


def test_batches_without_offload(lab):
    """The batching options of the stock programs, for what they are worth without superpackets."""
    server, client = programs.tunnel(
        lab, {"enable_tun_offload": False, "enable_batch_send": True, "enable_batch_receive": True},
        {"enable_tun_offload": False, "enable_batch_receive": True})
    traffic.iperf3(lab, lab.client, reverse=True, seconds=1)
    metrics = server.metrics()
    assert metrics["udp_gso_messages"] == metrics["superpackets"] == 0
    assert metrics["udp_send_calls"] < metrics["udp_send_datagrams"] / 2
    assert client.metrics()["udp_recv_calls"] < client.metrics()["udp_recv_datagrams"]
    for program in (server, client):
        assert "no effect" not in program.process.log()
