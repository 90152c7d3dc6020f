# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for UDP and TCP, IPv4 and IPv6."""

import itertools

import pytest

from slipway_lab import programs, traffic

MEGABYTE = 1_000_000
PORT = programs.PORT
# Every client host has a transport and a family of its own.
KINDS = list(itertools.product(("udp", "tcp"), (4, 6)))


def outside(lab, index, family):
    address = lab.server_address(index, family)
    return f"{address}:{PORT}" if family == 4 else f"[{address}]:{PORT}"


@pytest.mark.asan
@pytest.mark.tsan
@pytest.mark.parametrize("lane", (False, True), ids=("dtls", "expresslane"))
def test_both_transports_and_families_at_once(few_lab, lane):
    """One process, one TUN device, one pool; the lane is for those who come over UDP."""
    lab = few_lab
    server = programs.Server(lab, mode="both", bind_address=f"[::]:{PORT}", workers=2,
                             enable_expresslane=lane).wait_ready()
    clients = [programs.Client(lab, index=i, mode=mode, server=outside(lab, i, family),
                               enable_expresslane=lane)
               for i, (mode, family) in enumerate(KINDS)]
    for client in clients:
        client.wait_online(timeout=20)
    status = server.status()
    assert status["mode"] == "both"
    assert len({session["inside_ip"] for session in server.online()}) == len(KINDS)
    assert sorted(s["peer"].startswith("[") for s in server.online()) == [False, False, True, True]

    downloads = [traffic.Download(lab, host, 8 * MEGABYTE, seed=i)
                 for i, host in enumerate(lab.clients)]
    for download in downloads:
        download.finish()
    for host in lab.clients:
        traffic.upload(lab.run, host, MEGABYTE)
        traffic.ping(host, count=1)
    if lane:
        active = [s["peer"] for s in server.online() if s["expresslane"] == "Active"]
        assert len(active) == 2
    metrics = server.metrics()
    assert metrics["udp_recv_datagrams"] > 0 and metrics["tcp_recv_bytes"] > 8 * MEGABYTE / 10
    assert metrics.get("udp_recv_missing_pktinfo", 0) == 0
    for client in clients:
        assert client.stop() == 0
    server.wait_for_sessions(0)
    assert server.status()["addresses_used"] == 0


def test_port_taken_on_one_transport_only(few_lab):
    """Both sockets, or none: a server that came up with half of them would be a riddle."""
    lab = few_lab
    first = programs.Server(lab, mode="tcp").wait_ready()
    second = programs.Server(lab, mode="both", tun_name="slipway1", ip_pool="10.126.0.0/16",
                             tun_ip="10.126.0.1")
    assert second.process.wait_for_end(10) == 1
    assert f"listen on 0.0.0.0:{PORT}: Address already in use" in second.process.log()
    first.stop()
