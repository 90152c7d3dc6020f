# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary traffic through the tunnel, in every way that two ends can agree on."""

import sys

import pytest

from slipway_lab import network, programs, traffic

MEGABYTE = 1_000_000
MODES = ("udp", "tcp")
# (enable_pqc, keyshare): the group that has to come out, docs/protocol/session.md §5.3
GROUPS = {
    (False, "p521mlkem1024"): "SECP256R1",
    (False, "x25519mlkem768"): "SECP256R1",
    (True, "p521mlkem1024"): "SECP521R1MLKEM1024",
    (True, "x25519mlkem768"): "X25519MLKEM768",
}


def spelled(name):
    """Names of suites and groups without the marks that versions of the library differ in."""
    return name.upper().replace("_", "").replace("-", "")


@pytest.mark.asan
@pytest.mark.parametrize("offload", (False, True), ids=("offload-off", "offload-on"))
@pytest.mark.parametrize("mode", MODES)
def test_ping_curl_iperf3_both_ways(lab, mode, offload):
    server, _ = programs.tunnel(lab, {"mode": mode, "enable_tun_offload": offload},
                                {"enable_tun_offload": offload})
    traffic.ping(lab.client)
    traffic.ping(lab.client, size=1322)  # a packet of 1350 bytes, as large as they get
    traffic.ping(lab.client, size=4000)  # in fragments
    assert traffic.whoami(lab.client) == network.SERVER_BACKEND
    traffic.download(lab.client, 8 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
    for reverse in (False, True):
        assert traffic.iperf3(lab, lab.client, reverse=reverse).bytes > MEGABYTE
    assert server.metrics()["inside_source_refused"] == 0


@pytest.mark.asan
@pytest.mark.parametrize("keyshare", ("p521mlkem1024", "x25519mlkem768"))
@pytest.mark.parametrize("pqc", (False, True), ids=("pqc-off", "pqc-on"))
@pytest.mark.parametrize("mode", MODES)
def test_group_follows_key_share_and_server(lab, mode, pqc, keyshare):
    server, client = programs.tunnel(lab, {"mode": mode, "enable_pqc": pqc},
                                     {"keyshare": keyshare})
    assert spelled(client.status()["group"]) == GROUPS[pqc, keyshare]
    assert spelled(server.online()[0]["group"]) == GROUPS[pqc, keyshare]
    traffic.ping(lab.client, count=1)


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_outside_over_ipv6(lab, mode):
    port = programs.PORT
    programs.tunnel(lab, {"mode": mode, "bind_address": f"[::]:{port}"},
                    {"server": f"[{lab.server_address(family=6)}]:{port}"})
    traffic.ping(lab.client, count=1)
    traffic.download(lab.client, 8 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 2 * MEGABYTE)


@pytest.mark.parametrize("mode", MODES)
def test_ipv4_client_of_an_ipv6_wildcard(lab, mode):
    programs.tunnel(lab, {"mode": mode, "bind_address": f"[::]:{programs.PORT}"})
    traffic.ping(lab.client, count=1)
    traffic.download(lab.client, 4 * MEGABYTE)


def test_rsa_certificate(lab):
    certificate, key = lab.pki.rsa_server
    programs.tunnel(lab, {"server_cert": certificate, "server_key": key})
    traffic.ping(lab.client, count=1)


@pytest.mark.parametrize("mode", MODES)
def test_every_pair_of_offload_settings_carries_payload_whole(lab, mode):
    for server_offload, client_offload in ((None, None), (True, False), (False, True)):
        server, client = programs.tunnel(lab, {"mode": mode, "enable_tun_offload": server_offload},
                                         {"enable_tun_offload": client_offload})
        traffic.download(lab.client, 8 * MEGABYTE)
        traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
        assert client.stop() == 0
        assert server.stop() == 0


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_dns_address_of_the_client_is_the_servers(lab, mode):
    """What goes to tun_dns_ip arrives at lightway_dns_ip, here the server's own TUN address."""
    programs.tunnel(lab, {"mode": mode, "lightway_dns_ip": programs.SERVER_INSIDE},
                    {"tun_dns_ip": "100.64.0.1"})
    traffic.ping(lab.client, "100.64.0.1")


UDP_TO_A_CLOSED_PORT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 9))
s.send(b"anybody?")
try:
    s.recv(100)
except ConnectionRefusedError:
    print("refused")
"""


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_icmp_errors_find_the_socket_they_are_about(lab, mode):
    """They quote a packet, and its addresses are translated too (docs/protocol/session.md §20)."""
    programs.tunnel(lab, {"mode": mode})
    done = lab.client.run(sys.executable, "-c", UDP_TO_A_CLOSED_PORT, network.REMOTE)
    assert done.stdout == "refused\n"
