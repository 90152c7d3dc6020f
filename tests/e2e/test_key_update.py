# SPDX-License-Identifier: GPL-3.0-or-later
"""New keys for (D)TLS sessions while data flows, on good paths and on bad ones."""

import pytest

from slipway_lab import programs, traffic
from slipway_lab.relay import Relay

MEGABYTE = 1_000_000
SIZE = 4 * MEGABYTE
OFTEN = {"key_update_interval": "1s"}


def check(server, client, updates):
    """The last one may still be under way."""
    server.wait_for_metric("key_update_complete", updates)
    metrics = server.metrics()
    assert metrics["key_update_start"] - metrics["key_update_complete"] in (0, 1)
    assert metrics["key_update_abandoned"] == 0
    assert metrics["conn_tls_error"] == client.metrics()["conn_tls_error"] == 0
    assert client.state() == "Online"
    assert len(server.online()) == 1
    return metrics


@pytest.mark.asan
@pytest.mark.parametrize("mode, lane", (("udp", False), ("udp", True), ("tcp", False)),
                         ids=("udp", "expresslane", "tcp"))
def test_keys_change_while_data_flows(lab, mode, lane):
    options = {"mode": mode, "enable_expresslane": lane}
    server, client = programs.tunnel(lab, {**options, **OFTEN},
                                     {**options, "keepalive_interval": "1s"})
    pings = traffic.Pings(lab, lab.client, count=80, interval=0.05)
    for _ in range(3):
        traffic.download(lab.client, SIZE)
        traffic.upload(lab.run, lab.client, SIZE // 4)
    pings.finish()
    metrics = check(server, client, 3)
    if mode == "udp":
        assert metrics["udp_session_rotation_begin"] >= 3
        assert metrics["session_id_mismatch"] == 0
    if lane:
        assert metrics["expresslane_decrypt_failed"] == metrics["expresslane_degraded"] == 0


@pytest.mark.asan
def test_keys_change_on_a_bad_path(router_lab):
    server = programs.Server(router_lab, **OFTEN).wait_ready()
    relay = Relay(router_lab, "--seed", 11, "--loss", 5, "--reorder", 10, "--duplicate", 10,
                  "--delay", 5, "--jitter", 5)
    client = programs.Client(router_lab, server=relay.address, route_mode="noexec",
                             keepalive_interval="1s")
    client.wait_online(timeout=40)
    client.route_backend()
    pings = traffic.Pings(router_lab, router_lab.client, count=80, interval=0.05)
    pings.process.wait_for_end(60)
    check(server, client, 3)
    relay.finish()


def test_keys_stay_when_updates_are_off(lab):
    server, client = programs.tunnel(lab, {"key_update_interval": "0s"})
    traffic.Pings(lab, lab.client, count=60, interval=0.05).finish()
    assert server.metrics()["key_update_start"] == 0
