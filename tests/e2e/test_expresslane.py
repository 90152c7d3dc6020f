# SPDX-License-Identifier: GPL-3.0-or-later
"""Expresslane between the programs: in use, refused, with new keys, and on a path that drops it."""

import pytest

from slipway_lab import programs, traffic

MEGABYTE = 1_000_000
SIZE = 4 * MEGABYTE
ON = {"enable_expresslane": True}
# Of a UDP datagram the byte that flags the lane: behind 8 bytes of UDP header, the sixth.
DROP_LANE = """
    table ip lane {
        chain in { type filter hook prerouting priority raw; udp dport 27690 @th,104,8 != 0 drop; }
        chain out { type filter hook output priority raw; udp sport 27690 @th,104,8 != 0 drop; }
    }"""


def lanes(server, client):
    [session] = server.online()
    return session["expresslane"], client.status()["expresslane"]


def wait_for_lanes(server, client, *states):
    client.process.wait_for(lambda: lanes(server, client) == states, 10, f"lanes {states}")


def move_data(lab):
    traffic.download(lab.client, SIZE)
    traffic.upload(lab.run, lab.client, SIZE)


@pytest.mark.asan
@pytest.mark.parametrize("offload", (True, False), ids=("on", "off"))
def test_data_goes_by_the_lane(lab, offload):
    options = {**ON, "enable_tun_offload": offload}
    server, client = programs.tunnel(lab, options, options)
    wait_for_lanes(server, client, "Active", "Active")
    for program in (server, client):
        log = program.process.log()
        assert "aead=intel-ipsec-mb" in log or "aead=wolfCrypt" in log
    before = [program.metrics() for program in (server, client)]
    move_data(lab)
    for program, old in zip((server, client), before):
        new = program.metrics()
        for lane, all_of_them in (("expresslane_sent", "inside_to_tunnel"),
                                  ("expresslane_received", "tunnel_to_inside")):
            assert new[lane] - old[lane] == new[all_of_them] - old[all_of_them] > 0
        for name in ("decrypt_failed", "decrypt_no_key", "replayed", "malformed", "degraded",
                     "exchange_failed"):
            assert new[f"expresslane_{name}"] == 0
    assert "expresslane: Active" in client.slipwayctl("status").stdout


@pytest.mark.parametrize("server_on", (True, False), ids=("server", "client"))
def test_lane_of_one_end_only_is_not_used(lab, server_on):
    server, client = programs.tunnel(lab, ON if server_on else {}, {} if server_on else ON)
    move_data(lab)
    wait_for_lanes(server, client, *(("WaitingForClient", "Disabled") if server_on else
                                     ("Disabled", "Inactive")))
    for program in (server, client):
        metrics = program.metrics()
        assert metrics["expresslane_sent"] == metrics["expresslane_received"] == 0
        assert metrics["expresslane_exchange_failed"] == 0


def test_keys_change_while_data_flows(lab):
    """Every second at each end. What is on its way under the old key is opened, too."""
    options = {**ON, "expresslane_keys_rotation_interval": "1s"}
    server, client = programs.tunnel(lab, options, options)
    wait_for_lanes(server, client, "Active", "Active")
    for _ in range(5):
        download = traffic.Download(lab, lab.client, SIZE)
        traffic.ping(lab.client, count=5, interval=0.3)
        download.finish()
    assert lanes(server, client) == ("Active", "Active")
    for program in (server, client):
        metrics = program.metrics()
        assert metrics["expresslane_exchanged"] >= 4
        assert metrics["expresslane_decrypt_failed"] == 0
        assert metrics["expresslane_exchange_failed"] == 0


def test_path_that_drops_the_lane_costs_it_and_nothing_else(own_lab):
    """The client sees from the server's counts that nothing arrives, and both go on with DTLS."""
    lab = own_lab
    options = {**ON, "enable_tun_offload": False}  # no runs, of which one datagram would be looked at
    server, client = programs.tunnel(lab, options, {**options, "keepalive_interval": "1s"})
    wait_for_lanes(server, client, "Active", "Active")
    lab.server.nft(DROP_LANE)
    try:
        pings = traffic.Pings(lab, lab.client, count=400, interval=0.02)
        wait_for_lanes(server, client, "Inactive", "Degraded")
        pings.process.kill()
        move_data(lab)
    finally:
        lab.server.nft("delete table ip lane")
    assert "Expresslane loses packets" in client.process.log()
    assert client.metrics()["expresslane_degraded"] == 1
    assert len(server.online()) == 1
