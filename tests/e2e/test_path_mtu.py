# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways that carry less than a full packet: found out by probing, or lived with."""

import re
import sys

import pytest

from slipway_lab import network, programs, traffic

MEGABYTE = 1_000_000
NARROW = 1300
FOUND = 1297  # what a search in steps of 8 finds of 1300 bytes: a PLPMTU of 1231
INSIDE = {"data": 1228, "lane": 1213}  # docs/protocol/expresslane.md §3

@pytest.fixture
def narrow_link(own_lab):
    """The link between client and server carries 1300 bytes, and both of them know it."""
    yield set_link(own_lab, NARROW)
    set_link(own_lab, 1500)


def set_link(lab, mtu):
    for host in (lab.client, lab.server):
        host.ip("link", "set", "dev", "out0", "mtu", mtu)
    return lab


@pytest.fixture
def narrow_hop(router_lab):
    """The link behind the client's router carries 1300 bytes; the client cannot see that.

    A function that makes the router silent about it, and has fragments of the client's dropped.
    """
    lab = router_lab
    ends = ((lab.router, "in0"), (lab.server, "out0"))
    for host, device in ends:
        host.ip("link", "set", "dev", device, "mtu", NARROW)

    def drop(silent=False, fragments=False):
        silence = "icmp type destination-unreachable drop;" if silent else ""
        lab.router.nft(f"""
            table ip hop {{
                chain output {{ type filter hook output priority 0; {silence} }}
            }}""")
        # before the kernel puts them together
        loss = 'iifname "out0" ip frag-off & 0x3fff != 0 drop;' if fragments else ""
        lab.server.nft(f"""
            table ip hop {{
                chain in {{ type filter hook prerouting priority -450; {loss} }}
            }}""")
        return lab

    yield drop
    for host in (lab.router, lab.server):
        host.run("nft", "delete", "table", "ip", "hop")
    for host, device in ends:
        host.ip("link", "set", "dev", device, "mtu", 1500)
    lab.client.ip("route", "flush", "cache")


def wait_for_path(program, status, found=FOUND, timeout=15):
    program.process.wait_for(
        lambda: status()["pmtud"] == "SearchComplete" and status()["path_mtu"] == found, timeout,
        f"a path MTU of {found}")


def losses(program):
    return {name: value for name, value in program.metrics().items()
            if value and name.startswith(("drop_", "gso_dropped", "udp_send_dropped",
                                          "udp_no_room"))}


def move_everything(lab):
    for size in (1000, 1190, 1200, 1300, 1322, 4000):
        traffic.ping(lab.client, size=size)
    traffic.download(lab.client, 4 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 4 * MEGABYTE)
    for reverse in (False, True):
        result = traffic.iperf3(lab, lab.client, udp=True, reverse=reverse, seconds=1,
                                bitrate="5M", tries=3)
        assert result.lost_percent < 1


@pytest.mark.asan
@pytest.mark.parametrize("lane", (False, True), ids=("dtls", "expresslane"))
@pytest.mark.parametrize("offload", (False, True), ids=("offload-off", "offload-on"))
def test_both_ends_find_the_mtu_of_the_link(narrow_link, lane, offload):
    """EMSGSIZE of their own kernels is an answer and no error: nobody waits for lost probes."""
    lab = narrow_link
    options = {"enable_pmtud": True, "enable_expresslane": lane, "enable_tun_offload": offload}
    server, client = programs.tunnel(lab, options, options)
    wait_for_path(client, client.status)
    wait_for_path(server, lambda: server.online()[0])
    if lane:
        client.process.wait_for(lambda: client.status()["expresslane"] == "Active", 10, "the lane")
    assert client.status()["path_mtu_inside"] == INSIDE["lane" if lane else "data"]
    assert client.metrics()["path_mtu"] == FOUND
    move_everything(lab)
    assert not losses(server) and not losses(client)
    for program in (server, client):
        metrics = program.metrics()
        assert metrics["mss_clamped"] > 0
        assert metrics["inside_fragmented"] > 0 and metrics["fragments_reassembled"] > 0
        assert metrics["gso_send_failed"] == 0
        assert metrics["pmtud_black_holes"] == 0
        assert re.search(rf"path_mtu\W+{FOUND}|{FOUND}", program.slipwayctl("status").stdout)


def test_wide_link_takes_a_moment(lab):
    options = {"enable_pmtud": True}
    server, client = programs.tunnel(lab, options, options)
    wait_for_path(client, client.status, found=1485)
    wait_for_path(server, lambda: server.online()[0], found=1485)
    move_everything(lab)
    for program in (server, client):
        assert program.metrics()["inside_fragmented"] == 0
        assert not losses(program)


@pytest.mark.asan
@pytest.mark.parametrize("offload", (False, True), ids=("offload-off", "offload-on"))
def test_narrow_link_without_a_search(narrow_link, offload):
    """Outside datagrams are longer than the link: the kernel cuts them."""
    lab = narrow_link
    options = {"enable_tun_offload": offload}
    server, client = programs.tunnel(lab, options, options)
    assert "pmtud" not in client.status()
    move_everything(lab)
    assert not losses(server) and not losses(client)
    assert client.metrics()["inside_fragmented"] == 0


@pytest.mark.parametrize("offload", (False, True), ids=("offload-off", "offload-on"))
def test_link_becomes_narrow_and_wide_again(own_lab, offload):
    """A flow goes on over a link that changes under it."""
    lab = own_lab
    options = {"enable_pmtud": True, "enable_tun_offload": offload}
    server, client = programs.tunnel(lab, options, options)
    wait_for_path(client, client.status, found=1485)
    try:
        set_link(lab, NARROW)
        traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
        traffic.download(lab.client, 8 * MEGABYTE)
        assert client.state() == "Online"
        if offload:  # batches longer than the link are news, single datagrams are just cut
            wait_for_path(client, client.status)
            assert client.metrics()["pmtud_black_holes"] > 0
    finally:
        set_link(lab, 1500)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)


@pytest.mark.asan
@pytest.mark.parametrize("losses_on_the_way", ((False, False), (True, False), (True, True)),
                         ids=("icmp", "silent", "no-fragments"))
def test_hop_that_only_the_search_sees(narrow_hop, losses_on_the_way):
    """From a base that passes: what is larger goes in two parts from the first round trip on."""
    lab = narrow_hop(*losses_on_the_way)
    server, client = programs.tunnel(lab, {}, {"enable_pmtud": True, "pmtud_base_mtu": 1200})
    client.process.wait_for(lambda: client.status()["plpmtu"] == 1232, 15, "the first steps")
    for size in (1000, 1300, 1322):
        traffic.ping(lab.client, size=size)
    traffic.upload(lab.run, lab.client, 4 * MEGABYTE)
    assert client.metrics()["inside_fragmented"] > 0
    assert not losses(client)
    assert client.state() == "Online"
    assert client.status()["plpmtu"] == 1232


@pytest.mark.parametrize("silent", (False, True), ids=("icmp", "silent"))
def test_hop_without_a_search(narrow_hop, silent):
    """Data never has DF: the router cuts it."""
    lab = narrow_hop(silent)
    programs.tunnel(lab)
    for size in (1000, 1300, 1322):
        traffic.ping(lab.client, size=size)
    traffic.upload(lab.run, lab.client, 4 * MEGABYTE)


def test_way_that_drops_fragments_needs_the_search(narrow_hop):
    """What the test above with no-fragments shows is the search's doing."""
    lab = narrow_hop(silent=True, fragments=True)
    programs.tunnel(lab)
    traffic.ping(lab.client, size=1000)
    assert not traffic.can_reach(lab.client, size=1300)


AGREED_MSS = """
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 5)
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
"""


@pytest.mark.parametrize("lane", (False, True), ids=("dtls", "expresslane"))
def test_mss_is_held_to_the_way(narrow_link, lane):
    """TCP never needs a fragment: SYN and SYN-ACK carry what goes in one datagram."""
    lab = narrow_link
    options = {"enable_expresslane": lane, "enable_tun_offload": False}
    server, client = programs.tunnel(lab, options, {"enable_pmtud": True, **options})
    wait_for_path(client, client.status)
    before = client.metrics()["mss_clamped"]
    done = lab.client.run(sys.executable, "-c", AGREED_MSS, network.REMOTE)
    most = INSIDE["lane" if lane else "data"] - 40
    assert most - 20 <= int(done.stdout) <= most  # the options of each segment count, too
    assert client.metrics()["mss_clamped"] == before + 2
    traffic.download(lab.client, 4 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 4 * MEGABYTE)
    for program in (server, client):
        assert program.metrics()["inside_fragmented"] == 0
        assert not losses(program)
