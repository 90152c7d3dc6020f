# SPDX-License-Identifier: GPL-3.0-or-later
"""The TUN device: made and set up by us, or by the administrator and left alone."""

import json

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run

MEGABYTE = 1_000_000
NAME = "byhand0"


def device(host, name):
    """A device as ip shows it."""
    return json.loads(host.ip("-j", "address", "show", "dev", name).stdout)[0]


def addresses(host, name):
    return [(a["local"], a["prefixlen"]) for a in device(host, name)["addr_info"]
            if a["family"] == "inet"]


@pytest.fixture
def persistent_tun(own_lab):
    """As set-up scripts make it: persistent, single queue, address and route, MTU 1400, down."""
    host = own_lab.server
    host.batch(f"tuntap add dev {NAME} mode tun", f"link set dev {NAME} mtu 1400",
               f"address add 10.99.0.1/32 dev {NAME}")
    yield own_lab
    host.ip("link", "delete", "dev", NAME)


def finish_by_hand(lab):
    """What such a script does once the server runs and the device is up."""
    lab.server.ip("route", "add", programs.POOL, "dev", NAME)


def test_device_that_the_server_makes(lab):
    server = programs.Server(lab).wait_ready()
    shown = device(lab.server, server.tun)
    assert shown["mtu"] == 1350
    assert "UP" in shown["flags"]
    assert [ip for ip, _ in addresses(lab.server, server.tun)] == [programs.SERVER_INSIDE]
    route = lab.server.ip("route", "show", programs.POOL).stdout
    assert f"dev {server.tun}" in route
    assert server.stop() == 0
    assert not lab.server.has_device(server.tun)


def test_device_of_the_client(lab):
    _, client = programs.tunnel(lab, client={"tun_local_ip": "100.64.7.6",
                                             "tun_peer_ip": "100.64.7.5"})
    shown = device(lab.client, client.tun)
    assert shown["mtu"] == 1350
    [address] = [a for a in shown["addr_info"] if a["family"] == "inet"]
    assert (address["local"], address.get("address")) == ("100.64.7.6", "100.64.7.5")
    traffic.ping(lab.client, count=1)


@pytest.mark.asan
def test_persistent_device_is_attached_to_and_left_as_it_is(persistent_tun):
    lab = persistent_tun
    server = programs.Server(lab, tun_name=NAME).wait_ready()
    shown = device(lab.server, NAME)
    assert "UP" in shown["flags"]
    assert shown["mtu"] == 1400
    assert addresses(lab.server, NAME) == [("10.99.0.1", 32)]
    assert lab.server.ip("route", "show", "dev", NAME).stdout == ""
    finish_by_hand(lab)
    client = programs.Client(lab).wait_online()
    traffic.ping(lab.client)
    traffic.download(lab.client, 8 * MEGABYTE)
    assert client.stop() == 0
    assert server.stop() == 0
    assert device(lab.server, NAME)["mtu"] == 1400
    assert addresses(lab.server, NAME) == [("10.99.0.1", 32)]


@pytest.mark.asan
def test_persistent_device_with_offload_and_then_without(persistent_tun):
    """The offload mask stays with the device; without offload it has to be cleared (E.1)."""
    lab = persistent_tun
    for offload in (True, False, True):
        server = programs.Server(lab, tun_name=NAME, enable_tun_offload=offload).wait_ready()
        finish_by_hand(lab)
        client = programs.Client(lab).wait_online()
        traffic.download(lab.client, 8 * MEGABYTE)
        traffic.upload(lab.run, lab.client, 4 * MEGABYTE)
        assert (server.metrics()["superpackets"] > 0) == offload
        assert client.stop() == 0
        assert server.stop() == 0
        lab.server.ip("route", "delete", programs.POOL)
        lab.server.ip("link", "set", "dev", NAME, "down")


def test_lowered_gso_max_size_is_warned_about_and_left(persistent_tun):
    lab = persistent_tun
    lab.server.ip("link", "set", "dev", NAME, "gso_max_size", "60300")
    server = programs.Server(lab, tun_name=NAME, enable_tun_offload=True).wait_ready()
    assert "gso_max_size" in server.process.log()
    shown = json.loads(lab.server.ip("-d", "-j", "link", "show", "dev", NAME).stdout)[0]
    assert shown["gso_max_size"] == 60300
    finish_by_hand(lab)
    programs.Client(lab).wait_online()
    traffic.download(lab.client, 8 * MEGABYTE)


@pytest.mark.asan
@pytest.mark.parametrize("offload", (True, False), ids=("offload-on", "offload-off"))
def test_device_with_an_mtu_that_one_datagram_cannot_carry(persistent_tun, offload):
    """The MSS is held to what one carries; larger packets arrive in fragments, none is refused."""
    lab = persistent_tun
    lab.server.ip("link", "set", "dev", NAME, "mtu", 1500)
    server = programs.Server(lab, tun_name=NAME, enable_tun_offload=offload).wait_ready()
    assert "1500" in server.process.log()
    finish_by_hand(lab)
    client = programs.Client(lab, route_mode="noexec").wait_online()
    client.host.ip("link", "set", "dev", client.tun, "mtu", 1500)  # so that its MSS allows it
    client.route_backend()
    lab.remote.ip("route", "flush", "cache")  # what it learned before
    traffic.download(lab.client, 8 * MEGABYTE)
    metrics = server.metrics()
    assert metrics["mss_clamped"] > 0 and metrics["inside_fragmented"] == 0
    traffic.ping(lab.client, size=1472)  # 1500 bytes, both ways
    for program in (server, client):
        metrics = program.metrics()
        assert metrics["inside_fragmented"] > 0 and metrics["fragments_reassembled"] > 0
        assert metrics["drop_oversize"] == 0


def test_device_in_use_is_refused(lab):
    server = programs.Server(lab).wait_ready()
    second = programs.Server(lab, bind_address="0.0.0.0:27691")
    assert second.process.wait_for_end(5) == 1
    assert server.tun in second.process.log()
    assert server.is_running()


def test_missing_tun_device_node_is_named(lab):
    """Without /dev/net/tun there is one clear line."""
    server = programs.Server(lab).wait_ready()
    assert server.stop() == 0
    done = run(["unshare", "-m", "sh", "-c",
                f"mount -t tmpfs none /dev/net && exec {programs.program('slipway-server')} "
                f"-c {server.config}"], namespace=lab.server.namespace, check=False)
    assert done.returncode == 1
    assert "/dev/net/tun" in done.stdout + done.stderr
