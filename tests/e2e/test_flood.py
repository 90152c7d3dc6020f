# SPDX-License-Identifier: GPL-3.0-or-later
"""Random, malformed, forged and replayed datagrams at a server that has work to do."""

import json
import re

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import Process
from slipway_lab.relay import Relay

MEGABYTE = 1_000_000


def peer_port(session):
    return int(re.fullmatch(r".*:(\d+)", session["peer"])[1])


def record_a_client(lab, path):
    """What a client of this server sends from hello to goodbye, for the flood to work from."""
    relay = Relay(lab, "--record", path)
    client = programs.Client(lab, server=relay.address, route_mode="noexec").wait_online()
    client.route_backend()
    traffic.ping(lab.client)
    traffic.upload(lab.run, lab.client, 100_000)
    assert client.stop() == 0
    relay.finish()


@pytest.mark.asan
def test_transfers_are_unharmed_by_a_flood(router_lab, pytestconfig):
    """From the addresses of strangers, and from the very address of the client that downloads.

    The client's port is real: what carries it reaches the live session, replayed records included.
    """
    lab, count = router_lab, pytestconfig.getoption("flood")
    server = programs.Server(lab).wait_ready()
    corpus = lab.run.directory / "client.record"
    record_a_client(lab, corpus)
    server.wait_for_sessions(0)

    # Through a relay that adds the client's own recent records to the replays.
    client = programs.Client(lab).wait_online()
    [session] = server.online()
    spoofed = f"{lab.client_address()}:{peer_port(session)}"
    flood = Process(lab.run, "flood",
                    [programs.program("tools/flood"), "--to", f"{lab.server_address()}:27690",
                     "--count", count, "--seed", 11, "--rate", 25000, "--sources", 64,
                     "--spoof", spoofed, "--corpus", corpus], lab.client.namespace)
    seconds = count / 25000
    rounds = 0
    while flood.is_running():
        traffic.download(lab.client, 8 * MEGABYTE, seed=rounds, timeout=60)
        traffic.upload(lab.run, lab.client, MEGABYTE, seed=rounds)
        rounds += 1
    assert flood.wait_for_end(seconds) == 0
    assert rounds > 0

    sent = json.loads(flood.log())
    assert sent["sent"] == count and sent["failed"] == 0
    assert sent["received_bytes"] <= sent["sent_bytes"], "an amplifier"
    assert client.state() == "Online"
    assert [s["session"] for s in server.online()] == [session["session"]], "the session it had"
    traffic.ping(lab.client)

    metrics = server.metrics()
    assert metrics["udp_recv_datagrams"] > count / 2, "the flood came in"
    assert metrics["udp_parse_wire_failed"] > 0 and metrics["udp_forged_record"] > 0
    assert metrics["conn_replaced"] == 0
    assert len(server.sessions()) < 100, "strangers cost no connections"
    programs.Client(lab, tun_name="late0", route_mode="noexec").wait_online()


@pytest.mark.asan
def test_client_is_unharmed_by_forged_answers(router_lab, pytestconfig):
    """The same rubbish at a client, under its server's address."""
    lab = router_lab
    programs.Server(lab).wait_ready()
    client = programs.Client(lab).wait_online()
    sockets = lab.client.run("ss", "-H", "-u", "-n").stdout
    [local] = re.findall(r"192\.168\.200\.2:(\d+)\s+192\.168\.190\.1:27690", sockets)
    flood = Process(lab.run, "flood-client",
                    [programs.program("tools/flood"), "--to", f"{lab.client_address()}:{local}",
                     "--count", pytestconfig.getoption("flood") // 10, "--seed", 12,
                     "--rate", 20000, "--sources", 8, "--spoof", f"{lab.server_address()}:27690"],
                    lab.server.namespace)
    while flood.is_running():
        traffic.download(lab.client, 4 * MEGABYTE)
    assert flood.wait_for_end(5) == 0
    assert client.state() == "Online"
    traffic.ping(lab.client)
