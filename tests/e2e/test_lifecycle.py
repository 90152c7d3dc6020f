# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends that stop, die, come back, and what the other end makes of it."""

import signal
import time

import pytest

from slipway_lab import network, programs, traffic
from slipway_lab.process import wait_until
from slipway_lab.programs import Exit
from slipway_lab.relay import Relay

MODES = ("udp", "tcp")
PROMPT = 3  # seconds


def routes(host):
    return sorted(host.ip("route", "show").stdout.splitlines())


@pytest.mark.asan
@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT), ids=("term", "int"))
@pytest.mark.parametrize("mode", MODES)
def test_server_says_goodbye(lab, mode, number):
    server, client = programs.tunnel(lab, {"mode": mode})
    server.process.signal(number)
    assert server.process.wait_for_end(PROMPT) == 0
    assert client.process.wait_for_end(PROMPT) == Exit.GOODBYE
    assert "goodbye" in client.process.log().lower()


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_client_says_goodbye_and_leaves_no_trace(lab, mode):
    before = routes(lab.client)
    server, client = programs.tunnel(lab, {"mode": mode})
    assert routes(lab.client) != before
    assert client.stop() == 0
    assert routes(lab.client) == before
    assert not lab.client.has_device(client.tun)
    server.wait_for_sessions(0, timeout=PROMPT)
    assert server.metrics()["conn_client_closed"] == 1
    assert server.stop() == 0
    assert not lab.server.has_device(server.tun)


@pytest.mark.parametrize("mode", MODES)
def test_client_that_was_killed_leaves_a_host_that_works_again(lab, mode):
    server, client = programs.tunnel(lab, {"mode": mode})
    client.kill()
    again = programs.Client(lab, mode=mode).wait_online()
    traffic.ping(lab.client)
    assert again.stop() == 0


def test_routes_of_the_default_mode(lab):
    _, client = programs.tunnel(lab)
    shown = lab.client.ip("route", "show").stdout
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        assert any(line.startswith(half) and f"dev {client.tun}" in line and "proto static" in line
                   for line in shown.splitlines()), shown
    to_server = lab.client.ip("route", "show", "proto", "static", "dev", "out0").stdout.splitlines()
    assert [line.split()[0] for line in to_server] == [lab.server_address()]


def test_noexec_sets_no_route(lab):
    before = routes(lab.client)
    _, client = programs.tunnel(lab, client={"route_mode": "noexec"})
    new = [route for route in routes(lab.client) if route not in before]
    assert len(new) == 1 and f"dev {client.tun} proto kernel" in new[0]
    client.route_backend()
    traffic.ping(lab.client)


@pytest.mark.asan
def test_restarted_server_rejects_and_the_client_ends_by_keepalive(lab):
    server, client = programs.tunnel(
        lab, client={"keepalive_interval": "1s", "keepalive_timeout": "3s"})
    server.kill()
    began = time.monotonic()
    server = programs.Server(lab).wait_ready()
    server.wait_for_metric("udp_rejected_session")
    assert client.process.wait_for_end(15) == Exit.SILENT
    assert time.monotonic() - began > 2, "a REJECT alone must not end a client"
    assert "keepalive" in client.process.log().lower()
    programs.Client(lab).wait_online()
    traffic.ping(lab.client)


def test_reject_makes_the_client_ask_at_once(lab):
    """With the default keepalive the next Ping would come after 10 s of silence."""
    server, client = programs.tunnel(lab)
    server.kill()
    server = programs.Server(lab).wait_ready()
    traffic.can_reach(lab.client)  # its packet draws the first REJECT, the Ping after it the second
    server.wait_for_metric("udp_rejected_session", 2, timeout=4)
    assert client.state() == "Online"


def test_dead_tcp_server_ends_the_client(lab):
    server, client = programs.tunnel(lab, {"mode": "tcp"})
    server.kill()  # the kernel closes its connections
    assert client.process.wait_for_end(PROMPT) == Exit.GOODBYE


@pytest.mark.asan
def test_client_restarts_on_the_port_of_its_dead_session(router_lab):
    """To the server the new client has the address and port of the old one, which is still Online.

    docs/protocol/session.md §9.3: the hello of the new one is answered, and the old session goes
    only when the new one has proved itself.
    """
    lab = router_lab
    server = programs.Server(lab).wait_ready()
    address = Relay(lab, "--source-port", 40000).address
    first = programs.Client(lab, server=address, route_mode="noexec").wait_online()
    first.route_backend()
    traffic.ping(lab.client)
    [old] = server.online()
    first.kill()
    assert [session["session"] for session in server.online()] == [old["session"]]

    second = programs.Client(lab, server=address, route_mode="noexec").wait_online()
    second.route_backend()
    traffic.ping(lab.client)
    server.wait_for_sessions(1)
    [new] = server.online()
    assert new["peer"] == old["peer"]
    assert new["session"] != old["session"]
    assert server.metrics()["conn_replaced"] == 1
    traffic.download(lab.client, 4_000_000)


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_keepalive_holds_an_idle_tunnel(lab, mode):
    server, client = programs.tunnel(
        lab, {"mode": mode}, {"keepalive_interval": "1s", "keepalive_timeout": "2s"})
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 4, 10, "four idle seconds")
    assert client.state() == "Online"
    traffic.ping(lab.client, count=1)


def test_on_demand_the_client_is_silent_until_nothing_comes_back(lab):
    """keepalive_continuous: false counts, and the tracer takes the keepalive's place."""
    server, client = programs.tunnel(
        lab, client={"keepalive_continuous": False, "keepalive_interval": "200ms",
                     "keepalive_timeout": "2s", "tracer_packet_timeout": "1s"})
    traffic.ping(lab.client)
    counts = [server.metrics()["udp_received"]]
    for _ in range(2):
        began = time.monotonic()
        wait_until(lambda b=began: time.monotonic() - b > 1.5, 10, "an idle moment")
        counts.append(server.metrics()["udp_received"])
    assert counts[1] == counts[2], "ten intervals without traffic, and no Ping"
    assert client.state() == "Online"
    server.kill()
    wait_until(lambda: not traffic.can_reach(lab.client) and not client.is_running(), 20, "its end")
    assert client.process.returncode() == Exit.SILENT


def test_server_frees_inside_addresses(lab):
    """A pool of two addresses serves client after client."""
    server = programs.Server(lab, ip_pool="10.125.0.0/29", tun_ip="10.125.0.1",
                             lightway_client_ip="10.125.0.5", lightway_server_ip="10.125.0.6",
                             lightway_dns_ip="10.125.0.2").wait_ready()
    for _ in range(4):
        client = programs.Client(lab).wait_online()
        assert client.stop() == 0
        server.wait_for_sessions(0)
    assert server.metrics()["conn_rejected_no_free_ip"] == 0
    assert server.metrics()["assigned_internal_ips"] == 0


@pytest.mark.parametrize("mode", MODES)
def test_vanished_client_is_let_go_after_the_idle_limit(lab, mode):
    server, client = programs.tunnel(lab, {"mode": mode, "connection_idle_limit": "2s"},
                                     {"keepalive_interval": "1s"})
    time.sleep(3)  # its signs of life keep it
    assert len(server.online()) == 1
    client.process.signal(signal.SIGSTOP)  # were it killed, its kernel would end TCP connections
    server.wait_for_sessions(0, timeout=6)
    assert server.metrics()["conn_aged_out"] == 1
    assert server.metrics()["assigned_internal_ips"] == 0
    client.kill()


@pytest.mark.asan
def test_hangup_ends_nobody(lab):
    server, client = programs.tunnel(lab)
    for program in (server, client):
        program.process.signal(signal.SIGHUP)
    for program in (server, client):
        program.process.wait_for(lambda p=program: "Reloaded" in p.process.log(), 5, "a reload")
    traffic.ping(lab.client)


def test_remote_never_sees_the_inside(lab):
    """Everything arrives under the server's backend address (and nothing goes beside the tunnel)."""
    assert not traffic.can_reach(lab.client)
    programs.tunnel(lab)
    assert traffic.whoami(lab.client) == network.SERVER_BACKEND
