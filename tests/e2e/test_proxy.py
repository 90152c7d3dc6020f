# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer in front of the server says who the client is (PROXY protocol)."""

import itertools
import sys

import pytest

from slipway_lab import front, programs, traffic
from slipway_lab.process import Process, wait_until

FRONT_PORT = 443
_numbers = itertools.count(1)

SIGNATURE = "0d0a0d0a000d0a515549540a"
INET6 = "20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 11 + "01"
# What the load balancer says, and what the server makes of it; None: the load balancer itself.
HEADERS = {
    "v1-tcp4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n".hex(), "192.0.2.7:50000"),
    "v1-tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n".hex(), "[2001:db8::7]:50000"),
    "v1-unknown": (b"PROXY UNKNOWN\r\n".hex(), None),
    "v2-inet": (f"{SIGNATURE}2111000cc0000207c6336401c35001bb", "192.0.2.7:50000"),
    "v2-inet6-tlv": (f"{SIGNATURE}2121002b{INET6}c35001bb04000400000000", "[2001:db8::7]:50000"),
    "v2-local": (f"{SIGNATURE}20000000", None),
}


class Front:
    """On the server's host, from its address on the client's side to the server's port."""

    def __init__(self, lab, header):
        self.address = f"{lab.server_address()}:{FRONT_PORT}"
        self.process = Process(lab.run, f"front-{next(_numbers)}",
                               [sys.executable, front.__file__, lab.server_address(), FRONT_PORT,
                                lab.server_address(), programs.PORT, header],
                               lab.server.namespace)
        self.process.wait_for_log("ready")


@pytest.mark.asan
@pytest.mark.parametrize("name", HEADERS)
def test_peer_is_whom_the_header_names(lab, name):
    header, peer = HEADERS[name]
    server = programs.Server(lab, mode="tcp", proxy_protocol=True, workers=2,
                             ip_map={lab.server_address(): "10.125.9.0/24"}).wait_ready()
    balancer = Front(lab, header)
    client = programs.Client(lab, mode="tcp", server=balancer.address).wait_online()
    [session] = server.online()
    if peer is not None:
        assert session["peer"] == peer
    else:
        assert session["peer"].startswith(f"{lab.server_address()}:")
    # The map goes by the address that the load balancer connected to.
    assert session["inside_ip"].startswith("10.125.9.")
    traffic.download(lab.client, 4_000_000)
    assert client.stop() == 0
    server.wait_for_sessions(0)
    assert server.metrics()["connection_accept_proxy_header_failed"] == 0


@pytest.mark.asan
def test_connection_without_a_header_is_closed(lab):
    server = programs.Server(lab, mode="both", proxy_protocol=True).wait_ready()
    client = programs.Client(lab, mode="tcp")
    assert client.process.wait_for_end(15) != 0
    assert server.metrics()["connection_accept_proxy_header_failed"] == 1
    assert server.sessions() == []
    programs.Client(lab, mode="udp").wait_online()  # UDP has no such header


def silent_connection(lab):
    """A connection from the client's host that says nothing."""
    script = ("import socket, sys\n"
              "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
              "print('ready', flush=True)\n"
              "s.recv(1)\n")
    process = Process(lab.run, f"silent-{next(_numbers)}",
                      [sys.executable, "-c", script, lab.server_address(), programs.PORT],
                      lab.client.namespace)
    process.wait_for_log("ready")
    return process


def test_silent_connection_ends(lab):
    server = programs.Server(lab, mode="tcp", proxy_protocol=True).wait_ready()
    silent = silent_connection(lab)
    assert silent.wait_for_end(20) == 0
    assert server.metrics()["connection_accept_proxy_header_failed"] == 1


def test_server_ends_while_connections_wait(lab):
    """Also shows the end of a waiting connection when nobody waits for its deadline."""
    server = programs.Server(lab, mode="tcp", proxy_protocol=True).wait_ready()
    silent = silent_connection(lab)
    wait_until(lambda: server.metrics()["tcp_accepted"] == 1, 5, "the connection")
    assert server.stop() == 0
    assert silent.wait_for_end(5) == 0


def test_needs_tcp(lab):
    server = programs.Server(lab, mode="udp", proxy_protocol=True)
    assert server.process.wait_for_end(10) == 1
    assert "proxy_protocol: needs mode tcp or both" in server.process.log()
