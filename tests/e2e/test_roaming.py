# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose host gets other addresses keeps its session (docs/protocol/session.md §9.4)."""

import time

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import wait_until
from slipway_lab.programs import Exit

DEVICE = "out0"
LANES = ({}, {"enable_expresslane": True})


def other_address(lab, number):
    return lab.client_address().rsplit(".", 1)[0] + f".{number}"


def move(lab, old, new):
    """A second address comes, the first one goes."""
    lab.client.ip("address", "add", f"{new}/24", "dev", DEVICE)
    lab.client.ip("address", "delete", f"{old}/24", "dev", DEVICE)


@pytest.fixture
def home(lab):
    """The lab's client gets its address back, whatever the test made of it."""
    address = lab.client_address()
    yield address
    lab.client.ip("link", "set", DEVICE, "up")
    lab.client.ip("-4", "address", "flush", "dev", DEVICE)
    lab.add_address(lab.client, DEVICE, address, 24)


def wait_for_peer(server, address):
    wait_until(lambda: [session["peer"].split(":")[0] for session in server.online()] == [address],
               5, f"the one session at {address}")


@pytest.mark.asan
@pytest.mark.parametrize("lane", LANES, ids=("dtls", "expresslane"))
def test_address_changes_during_a_download(lab, home, lane):
    server, client = programs.tunnel(lab, lane, lane)
    inside = [session["inside_ip"] for session in server.online()]
    download = traffic.Download(lab, lab.client, 40_000_000)
    at = home
    for number in (33, 34, 35):
        move(lab, at, other_address(lab, number))
        at = other_address(lab, number)
        wait_for_peer(server, at)
    download.finish()
    traffic.ping(lab.client)
    assert [session["inside_ip"] for session in server.online()] == inside
    assert server.metrics()["conn_created"] == 1
    assert client.stop() == 0
    server.wait_for_sessions(0)


def test_idle_client_tells_its_new_address_at_once(lab, home):
    """With the default keepalive the next Ping would come after 10 s of silence."""
    server, _ = programs.tunnel(lab)
    move(lab, home, other_address(lab, 33))
    wait_for_peer(server, other_address(lab, 33))


def test_moment_without_any_address(lab, home):
    """The only address left is the tunnel's own, and nothing may be sent from that."""
    server, client = programs.tunnel(lab)
    lab.client.ip("-4", "address", "flush", "dev", DEVICE)
    assert not traffic.can_reach(lab.client)
    assert "sending from" not in client.process.log()
    lab.client.ip("address", "add", f"{other_address(lab, 33)}/24", "dev", DEVICE)
    wait_for_peer(server, other_address(lab, 33))
    traffic.ping(lab.client)


def test_route_to_the_server_comes_back_with_the_link(router_lab):
    """The server is behind a gateway: without its host route the halves would lead it inside."""
    lab = router_lab
    server, client = programs.tunnel(lab)
    pinned = f"{lab.server_address()} via"
    assert pinned in lab.client.ip("route", "show").stdout
    lab.client.ip("link", "set", DEVICE, "down")
    assert pinned not in lab.client.ip("route", "show").stdout
    lab.client.ip("link", "set", DEVICE, "up")
    try:
        wait_until(lambda: pinned in lab.client.ip("route", "show").stdout, 5, "the host route")
        wait_until(lambda: traffic.can_reach(lab.client), 5, "an answer")
        traffic.ping(lab.client)
        assert len(server.online()) == 1
        assert client.stop() == 0
    finally:
        lab.client.ip("route", "replace", "192.168.190.0/24", "via", "192.168.200.1",
                      *lab.route_options)


@pytest.mark.asan
def test_tcp_ends_soon_after_its_address_went(lab, home):
    """A TCP connection cannot move; the keepalive would notice after a minute."""
    _, client = programs.tunnel(lab, {"mode": "tcp"})
    move(lab, home, other_address(lab, 33))
    assert client.process.wait_for_end(10) == Exit.CONNECTION
    assert home in client.process.log_end(1)


@pytest.mark.asan
def test_tcp_comes_back_from_another_address(lab, home):
    server, client = programs.tunnel(lab, {"mode": "tcp"}, {"reconnect": True})
    index = lab.client.ip("-o", "link", "show", "dev", client.tun).stdout.split(":")[0]
    move(lab, home, other_address(lab, 33))
    client.process.wait_for(lambda: client.state() == "Online" and client.status()["reconnects"],
                            10, "being back")
    assert other_address(lab, 33) in [s["peer"].split(":")[0] for s in server.online()]
    assert lab.client.ip("-o", "link", "show", "dev", client.tun).stdout.split(":")[0] == index
    traffic.ping(lab.client)


def test_tcp_outlives_an_address_that_comes_back(lab, home):
    server, client = programs.tunnel(lab, {"mode": "tcp"})
    lab.client.ip("address", "add", f"{other_address(lab, 33)}/24", "dev", DEVICE)
    lab.client.ip("address", "delete", f"{home}/24", "dev", DEVICE)
    client.process.wait_for_log("is gone")
    lab.add_address(lab.client, DEVICE, home, 24)
    client.process.wait_for_log("is back")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 3, 10, "the time in which it would end")
    traffic.ping(lab.client)
    assert client.state() == "Online" and server.metrics()["conn_created"] == 1


@pytest.mark.parametrize("way", ("forbidden", "unreachable"))
def test_datagrams_that_cannot_be_sent_end_nobody(lab, home, way):
    """A packet filter in the way (EPERM), or no route (ENETUNREACH): both pass."""
    server, client = programs.tunnel(lab, client={"keepalive_interval": "300ms",
                                                  "route_mode": "noexec"})
    if way == "forbidden":
        lab.client.nft("""
            table ip stop {
                chain out {
                    type filter hook output priority 0;
                    oifname "out0" udp dport 27690 drop
                }
            }""")
    else:
        lab.client.ip("route", "add", "unreachable", lab.server_address())
    reason = f'udp_send_dropped{{reason="{way}"}}'
    try:
        client.wait_for_metric(reason, 5)
        assert client.state() == "Online"
    finally:
        if way == "forbidden":
            lab.client.nft("delete table ip stop")
        else:
            lab.client.ip("route", "delete", "unreachable", lab.server_address())
    client.route_backend()
    wait_until(lambda: traffic.can_reach(lab.client), 10, "an answer")
    assert server.metrics()["conn_created"] == 1
