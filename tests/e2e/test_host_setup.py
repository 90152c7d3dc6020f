# SPDX-License-Identifier: GPL-3.0-or-later
"""The server itself makes its host forward and hide what clients send (host_setup)."""

import pytest

from slipway_lab import network, programs, traffic
from slipway_lab.process import wait_until

FORWARD = "net.ipv4.ip_forward"
TABLE = f"table ip slipway_server_{programs.TUN}"
ON = {"host_setup": True, "host_setup_device": "wan0"}


def forwarding(host):
    return host.run("sysctl", "-n", FORWARD).stdout.strip()


def tables(host):
    return [line for line in host.run("nft", "list", "tables").stdout.splitlines() if line]


@pytest.fixture
def bare_lab(own_lab):
    """A server host on which nobody has set anything up."""
    rules = own_lab.server.run("nft", "list", "table", "ip", "lab").stdout
    own_lab.server.run("nft", "delete", "table", "ip", "lab")
    own_lab.server.sysctl({FORWARD: "0"})
    yield own_lab
    own_lab.server.run("nft", "flush", "ruleset")
    own_lab.server.nft(rules)
    own_lab.server.sysctl({FORWARD: "1"})


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_clients_reach_the_remote_host(bare_lab, mode):
    lab = bare_lab
    server = programs.Server(lab, mode=mode, **ON).wait_ready()
    assert tables(lab.server) == [TABLE]
    client = programs.Client(lab, mode=mode).wait_online()
    assert traffic.whoami(lab.client) == network.SERVER_BACKEND
    traffic.ping(lab.client, count=1)
    traffic.download(lab.client, 4_000_000)
    client.stop()
    assert server.stop() == 0
    assert tables(lab.server) == []
    assert forwarding(lab.server) == "0"


def test_without_it_nothing_is_touched(bare_lab):
    lab = bare_lab
    programs.Server(lab).wait_ready()
    programs.Client(lab).wait_online()
    assert tables(lab.server) == []
    assert forwarding(lab.server) == "0"
    assert not traffic.can_reach(lab.client)


@pytest.mark.asan
def test_nothing_is_left_after_a_crash_and_a_restart(bare_lab):
    lab = bare_lab
    first = programs.Server(lab, **ON).wait_ready()
    first.kill()
    programs.wait_gone(lab, lab.server, programs.TUN)
    assert tables(lab.server) == [TABLE]
    second = programs.Server(lab, **ON).wait_ready()
    assert tables(lab.server) == [TABLE]
    assert "was left behind by a server that died" in second.process.log()
    programs.Client(lab).wait_online()
    traffic.ping(lab.client, count=1)
    assert second.stop() == 0
    assert tables(lab.server) == []
    assert forwarding(lab.server) == "0"


@pytest.mark.asan
def test_crash_is_cleaned_up_after_when_the_option_is_off_by_then(bare_lab):
    lab = bare_lab
    programs.Server(lab, **ON).wait_ready().kill()
    programs.wait_gone(lab, lab.server, programs.TUN)
    assert tables(lab.server) == [TABLE] and forwarding(lab.server) == "1"
    programs.Server(lab).wait_ready()
    assert tables(lab.server) == []
    assert forwarding(lab.server) == "0"


def test_device_of_the_default_route(bare_lab):
    lab = bare_lab
    refused = programs.Server(lab, host_setup=True)
    assert refused.process.wait_for_end(10) == 1
    assert "there is no default route; set host_setup_device" in refused.process.log()
    assert tables(lab.server) == [] and forwarding(lab.server) == "0"
    lab.server.ip("route", "add", "default", "via", network.REMOTE)
    try:
        programs.Server(lab, host_setup=True).wait_ready()
        programs.Client(lab).wait_online()
        assert traffic.whoami(lab.client) == network.SERVER_BACKEND
    finally:
        lab.server.ip("route", "delete", "default")


def test_device_that_exists_gets_what_it_lacks(bare_lab):
    lab = bare_lab
    lab.server.batch(f"tuntap add dev {programs.TUN} mode tun multi_queue",
                     f"link set dev {programs.TUN} mtu 1350")
    try:
        server = programs.Server(lab, **ON).wait_ready()
        programs.Client(lab).wait_online()
        traffic.ping(lab.client, count=1)
        assert server.stop() == 0
        wait_until(lambda: programs.SERVER_INSIDE not in lab.server.ip("address", "show").stdout,
                   5, "tun_ip gone")
        assert programs.POOL not in lab.server.ip("route", "show").stdout
    finally:
        lab.server.ip("link", "delete", "dev", programs.TUN)


def test_clients_cannot_be_reached_from_outside(bare_lab):
    """The remote host knows the way to the pool, and may not use it but for answers."""
    lab = bare_lab
    server = programs.Server(lab, **ON).wait_ready()
    programs.Client(lab).wait_online()
    inside = server.online()[0]["inside_ip"]
    lab.remote.ip("route", "add", programs.POOL, "via", network.SERVER_BACKEND)
    try:
        assert not traffic.can_reach(lab.remote, inside)
        assert traffic.can_reach(lab.server, inside)
    finally:
        lab.remote.ip("route", "delete", programs.POOL)
