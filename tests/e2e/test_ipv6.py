# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6 outside: batches, addresses, narrow paths, names, and a router on the way."""

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import wait_until

MEGABYTE = 1_000_000
PORT = programs.PORT
SERVER6 = "fd00:190::1"


@pytest.fixture(scope="module")
def routed(router_lab):
    """The router passes IPv6 on, too."""
    lab = router_lab
    for host, device, address in ((lab.client, "out0", "fd00:200::2"),
                                  (lab.router, "out0", "fd00:200::1"),
                                  (lab.router, "in0", "fd00:190::2"),
                                  (lab.server, "out0", SERVER6)):
        host.ip("address", "add", f"{address}/64", "dev", device, "nodad")
    lab.router.sysctl({"net.ipv6.conf.all.forwarding": "1"})
    lab.client.ip("-6", "route", "add", "fd00:190::/64", "via", "fd00:200::1")
    lab.server.ip("-6", "route", "add", "fd00:200::/64", "via", "fd00:190::2")
    return lab


@pytest.fixture
def narrow(routed):
    """The link between client and router carries no more than IPv6 has to."""
    for host in (routed.client, routed.router):
        host.ip("link", "set", "out0", "mtu", 1280)
    yield routed
    for host in (routed.client, routed.router):
        host.ip("link", "set", "out0", "mtu", 1500)
        host.ip("-6", "route", "flush", "cache")
    routed.server.ip("-6", "route", "flush", "cache")


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_narrow_path_is_no_black_hole(narrow, mode):
    """IPv6 routers do not cut packets: whoever does not listen to them sends into the void."""
    lab = narrow
    programs.tunnel(lab, {"mode": mode, "bind_address": f"[::]:{PORT}"},
                    {"server": f"[{SERVER6}]:{PORT}"})
    wait_until(lambda: traffic.can_reach(lab.client, size=1300), 5, "an answer of full size")
    traffic.ping(lab.client, count=3, size=1300)
    traffic.download(lab.client, 4 * MEGABYTE)
    traffic.upload(lab.run, lab.client, MEGABYTE)


@pytest.mark.asan
@pytest.mark.parametrize("lane", (False, True), ids=("dtls", "expresslane"))
@pytest.mark.parametrize("family", (4, 6), ids=("mapped", "native"))
def test_datagrams_go_in_batches(lab, lane, family):
    """UDP_SEGMENT and UDP_GRO work through a socket of [::] for clients of either family."""
    address = lab.server_address(family=family)
    server, client = programs.tunnel(
        lab, {"bind_address": f"[::]:{PORT}", "enable_expresslane": lane, "workers": 1},
        {"server": f"[{address}]:{PORT}" if family == 6 else f"{address}:{PORT}",
         "enable_expresslane": lane})
    traffic.download(lab.client, 16 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
    for sender, receiver in ((server, client), (client, server)):
        sent, received = sender.metrics(), receiver.metrics()
        assert sent["udp_gso_datagrams"] > 4 * sent["udp_gso_messages"] > 0
        assert sent["gso_latched"] == sent["gso_peer_limited"] == 0
        assert received["udp_gro_datagrams"] > 2 * received["udp_gro_runs"] > 0
    assert server.metrics()["udp_recv_missing_pktinfo"] == 0


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_specific_address(lab, mode):
    """Bound to one IPv6 address, the server is not there for IPv4."""
    address = lab.server_address(family=6)
    programs.tunnel(lab, {"mode": mode, "bind_address": f"[{address}]:{PORT}"},
                    {"server": f"[{address}]:{PORT}"})
    traffic.ping(lab.client, count=1)
    traffic.download(lab.client, 2 * MEGABYTE)


@pytest.mark.parametrize("workers", (1, 2))
def test_answers_come_from_the_address_asked(lab, workers):
    """The server has a second address on the link, which the kernel would not choose by itself."""
    lab.server.ip("address", "add", "fd00:200::99/64", "dev", "out0", "nodad")
    try:
        server, _ = programs.tunnel(lab, {"bind_address": f"[::]:{PORT}", "workers": workers},
                                    {"server": f"[fd00:200::99]:{PORT}"})
        traffic.download(lab.client, 2 * MEGABYTE)
        assert server.metrics()["udp_recv_missing_pktinfo"] == 0
    finally:
        lab.server.ip("address", "delete", "fd00:200::99/64", "dev", "out0")


def test_kernel_steers_by_session_id(few_lab):
    """As over IPv4: what is for another worker's session does not go through the wrong one."""
    lab = few_lab
    server = programs.Server(lab, bind_address=f"[::]:{PORT}", workers=4).wait_ready()
    assert server.status()["steering_outside"] == "by session id"
    for i in range(4):
        programs.Client(lab, index=i,
                        server=f"[{lab.server_address(i, 6)}]:{PORT}").wait_online()
    assert sorted(s["worker"] for s in server.online()) == [0, 1, 2, 3]
    before = server.metrics()["worker_mail_datagrams"]
    for host in lab.clients:
        traffic.upload(lab.run, host, 2 * MEGABYTE)
    assert server.metrics()["worker_mail_datagrams"] == before


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_server_behind_a_gateway(routed, mode):
    """The halves of the Internet are IPv4 only, and yet nothing of the tunnel goes inside."""
    lab = routed
    server, client = programs.tunnel(lab, {"mode": mode, "bind_address": f"[::]:{PORT}"},
                                     {"server": f"[{SERVER6}]:{PORT}"})
    traffic.ping(lab.client, count=1)
    traffic.download(lab.client, 4 * MEGABYTE)
    assert client.stop() == 0
    server.wait_for_sessions(0)


def peers(server):
    return [session["peer"].rpartition(":")[0] for session in server.online()]


@pytest.mark.parametrize("lane", (False, True), ids=("dtls", "expresslane"))
def test_client_gets_another_address(lab, lane):
    server, _ = programs.tunnel(lab, {"bind_address": f"[::]:{PORT}", "enable_expresslane": lane},
                                {"server": f"[{lab.server_address(family=6)}]:{PORT}",
                                 "enable_expresslane": lane})
    assert peers(server) == ["[fd00:200::2]"]
    lab.client.ip("address", "add", "fd00:200::33/64", "dev", "out0", "nodad")
    try:
        lab.client.ip("address", "delete", "fd00:200::2/64", "dev", "out0")
        wait_until(lambda: peers(server) == ["[fd00:200::33]"], 5, "the session at its new address")
        traffic.ping(lab.client, count=1)
        assert server.metrics()["conn_created"] == 1
    finally:
        lab.client.ip("address", "replace", "fd00:200::2/64", "dev", "out0", "nodad")
        lab.client.ip("address", "delete", "fd00:200::33/64", "dev", "out0")


def test_path_mtu_is_found(narrow):
    """IPv6 takes 20 bytes more of the path than IPv4; the search knows."""
    lab = narrow
    _, client = programs.tunnel(lab, {"bind_address": f"[::]:{PORT}"},
                                {"server": f"[{SERVER6}]:{PORT}", "enable_pmtud": True})
    client.process.wait_for(lambda: client.status()["pmtud"] == "SearchComplete", 30, "the search")
    assert 1270 <= client.status()["path_mtu"] <= 1280
    traffic.download(lab.client, 4 * MEGABYTE)
    traffic.upload(lab.run, lab.client, MEGABYTE)


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_name_with_an_ipv6_address(lab, mode):
    path = lab.run.directory / f"hosts6-{mode}"
    path.write_text(f"{lab.server_address(family=6)} vpn.slipway.test\n")
    server = programs.Server(lab, mode=mode, bind_address=f"[::]:{PORT}").wait_ready()
    programs.Client(lab, mode=mode, server=f"vpn.slipway.test:{PORT}",
                    launcher=programs.with_hosts(path)).wait_online()
    assert peers(server) == ["[fd00:200::2]"]
    traffic.ping(lab.client, count=1)


def test_list_of_servers(lab):
    """The first is preferred: IPv6 over TCP, although IPv4 over UDP is there as well."""
    server = programs.Server(lab, mode="both", bind_address=f"[::]:{PORT}").wait_ready()
    entries = [{"server": f"[{lab.server_address(family=6)}]:{PORT}", "mode": "tcp"},
               {"server": f"{lab.server_address()}:{PORT}", "mode": "udp"}]
    client = programs.Client(lab, mode=None, server_dn=None, servers=entries,
                             preferred_connection_wait_interval="10s").wait_online()
    assert client.status()["mode"] == "tcp"
    server.wait_for_sessions(1)
    assert peers(server) == ["[fd00:200::2]"]
