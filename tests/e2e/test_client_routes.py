# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's routes: which there are, whose they are, that they follow the network, and that none
is left, not even by a client that was killed."""

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run, wait_until

LAN = ["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/24"]
DEVICE = "out0"


def static_routes(host, device=DEVICE):
    """The destinations of the routes that a client may have made over a device."""
    lines = host.ip("route", "show", "proto", "static", "dev", device).stdout.splitlines()
    return sorted(line.split()[0] for line in lines)


def way_to(host, destination):
    """Gateway (None: on the link) and device, as the kernel would send now."""
    words = host.ip("route", "get", destination).stdout.split()
    gateway = words[words.index("via") + 1] if "via" in words else None
    return gateway, words[words.index("dev") + 1]


@pytest.fixture
def default_route(router_lab):
    """The client's way to everything is the router, which has a second address there."""
    lab = router_lab
    lab.router.ip("address", "add", "192.168.200.9/24", "dev", "out0")
    lab.client.ip("route", "replace", "default", "via", "192.168.200.1", "dev", DEVICE)
    lab.client.ip("route", "delete", "192.168.190.0/24")
    yield lab
    lab.client.ip("link", "set", DEVICE, "up")
    lab.client.ip("route", "flush", "proto", "static")
    lab.client.ip("route", "delete", "default", check=False)
    lab.client.ip("route", "replace", "192.168.190.0/24", "via", "192.168.200.1",
                  *lab.route_options)
    lab.router.ip("address", "delete", "192.168.200.9/24", "dev", "out0")


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_default_mode_has_one_static_route_outside(default_route, mode):
    lab = default_route
    _, client = programs.tunnel(lab, {"mode": mode})
    assert static_routes(lab.client) == [lab.server_address()]
    assert static_routes(lab.client, client.tun) == ["0.0.0.0/1", "100.64.0.1", "128.0.0.0/1"]
    traffic.ping(lab.client)
    assert client.stop() == 0
    assert static_routes(lab.client) == []


def test_lan_mode_leaves_private_networks_outside(default_route):
    lab = default_route
    _, client = programs.tunnel(lab, client={"route_mode": "lan"})
    assert static_routes(lab.client) == sorted([*LAN, lab.server_address()])
    for address in ("10.1.2.3", "172.31.0.1", "192.168.77.1"):
        assert way_to(lab.client, address) == ("192.168.200.1", DEVICE)
    assert way_to(lab.client, "203.0.113.7")[1] == client.tun
    assert client.stop() == 0
    assert static_routes(lab.client) == []


def test_noexec_mode_touches_no_route(default_route):
    lab = default_route
    before = lab.client.ip("route", "show").stdout
    _, client = programs.tunnel(lab, client={"route_mode": "noexec"})
    after = lab.client.ip("route", "show").stdout.splitlines()
    assert [line for line in after if client.tun not in line] == before.splitlines()
    assert static_routes(lab.client, client.tun) == []


def test_route_that_was_there_stays(default_route):
    lab = default_route
    for destination in (f"{lab.server_address()}/32", "10.0.0.0/8"):
        lab.client.ip("route", "add", destination, "via", "192.168.200.1", "proto", "static")
    there = static_routes(lab.client)
    _, client = programs.tunnel(lab, client={"route_mode": "lan"})
    traffic.ping(lab.client, "100.64.0.1")
    assert client.stop() == 0
    assert static_routes(lab.client) == there


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_routes_follow_another_gateway(default_route, mode):
    lab = default_route
    server, client = programs.tunnel(lab, {"mode": mode}, {"route_mode": "lan"})
    lab.client.ip("route", "replace", "default", "via", "192.168.200.9", "dev", DEVICE)
    for destination in (lab.server_address(), "10.1.2.3"):
        wait_until(lambda to=destination: way_to(lab.client, to) == ("192.168.200.9", DEVICE), 5,
                   f"{destination} over the other gateway")
    traffic.ping(lab.client, "100.64.0.1")
    assert len(server.online()) == 1
    assert client.stop() == 0
    assert static_routes(lab.client) == []


@pytest.fixture
def second_device(default_route):
    """Another link between client and router, with a network of its own."""
    lab = default_route
    run(["ip", "link", "add", "name", "out9", "netns", lab.client.namespace, "type", "veth",
         "peer", "name", "out9", "netns", lab.router.namespace])
    lab.client.batch("link set out9 up", "address add 192.168.99.2/24 dev out9")
    lab.router.batch("link set out9 up", "address add 192.168.99.1/24 dev out9")
    lab.server.ip("route", "add", "192.168.99.0/24", "via", "192.168.190.2")
    yield lab
    lab.server.ip("route", "delete", "192.168.99.0/24")
    lab.client.ip("link", "delete", "out9")


def test_session_goes_on_over_another_device(second_device):
    lab = second_device
    server, client = programs.tunnel(lab, client={"route_mode": "lan"})
    lab.client.ip("route", "add", "default", "via", "192.168.99.1", "dev", "out9", "metric", "9")
    lab.client.ip("link", "set", DEVICE, "down")
    for destination in (lab.server_address(), "10.1.2.3"):
        wait_until(lambda to=destination: way_to(lab.client, to) == ("192.168.99.1", "out9"), 5,
                   f"{destination} over the other device")
    wait_until(lambda: [session["peer"].split(":")[0] for session in server.online()]
               == ["192.168.99.2"], 5, "the session at the other address")
    traffic.ping(lab.client, "100.64.0.1")
    assert static_routes(lab.client, "out9") == sorted([*LAN, lab.server_address()])
    assert client.stop() == 0
    assert static_routes(lab.client, "out9") == []


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_all_routes_come_back_with_the_link(default_route, mode):
    lab = default_route
    server, client = programs.tunnel(lab, {"mode": mode}, {"route_mode": "lan"})
    there = static_routes(lab.client)
    lab.client.ip("link", "set", DEVICE, "down")
    lab.client.ip("link", "set", DEVICE, "up")
    wait_until(lambda: static_routes(lab.client) == there, 5, "the routes")
    lab.client.ip("route", "add", "default", "via", "192.168.200.1", "dev", DEVICE)
    wait_until(lambda: traffic.can_reach(lab.client, "100.64.0.1"), 10, "an answer")
    assert len(server.online()) == 1
    assert client.stop() == 0
    assert static_routes(lab.client) == []


@pytest.mark.asan
def test_next_client_removes_what_a_killed_one_left(default_route):
    lab = default_route
    _, client = programs.tunnel(lab, client={"route_mode": "lan"})
    client.kill()
    assert static_routes(lab.client) == sorted([*LAN, lab.server_address()])
    other = programs.Client(lab, route_mode="noexec").wait_online()
    assert "removed what an earlier client left behind: routes: 6" in other.process.log()
    assert static_routes(lab.client) == []
    assert other.stop() == 0


def test_two_clients_do_not_share_a_state_file(lab):
    _, client = programs.tunnel(lab)
    second = programs.Client(lab, tun_name="slipway1", route_mode="noexec",
                             state_file=str(client.options["state_file"]).replace("%i", client.tun))
    assert second.process.wait_for_end(10) == 1
    assert "is in use by another client" in second.process.log()
    assert client.state() == "Online"
