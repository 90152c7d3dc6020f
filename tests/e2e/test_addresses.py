# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside addresses: who gets which, what happens when there is none, and that all come back."""

from ipaddress import ip_address, ip_network

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import wait_until

PORT = programs.PORT
MODES = ("udp", "tcp")
# With tun_ip reserved, a single address for clients.
ONE_ADDRESS = {"ip_pool": "10.125.0.0/30", "tun_ip": "10.125.0.1"}
THE_ADDRESS = "10.125.0.2"


def inside_of(server, host_address):
    """The inside address of the session whose client is at this address."""
    return next(s["inside_ip"] for s in server.online() if host_address in s["peer"])


@pytest.mark.asan
@pytest.mark.parametrize("as_file", (False, True), ids=("inline", "file"))
@pytest.mark.parametrize("mode", MODES)
def test_part_of_the_pool_by_the_servers_address(few_lab, mode, as_file):
    lab = few_lab
    parts = {lab.server_address(0): "10.125.7.0/28", lab.server_address(1, 6): "10.125.8.0/30"}
    address_map = parts
    if as_file:
        address_map = lab.run.directory / f"ip_map-{mode}.yaml"
        programs.write_yaml(address_map, parts)
    server = programs.Server(lab, mode=mode, bind_address=f"[::]:{PORT}", workers=2,
                             ip_map=address_map).wait_ready()
    programs.Client(lab, index=0, mode=mode).wait_online()
    programs.Client(lab, index=1, mode=mode,
                    server=f"[{lab.server_address(1, 6)}]:{PORT}").wait_online()
    programs.Client(lab, index=2, mode=mode).wait_online()
    first = ip_address(inside_of(server, lab.client_address(0)))
    second = ip_address(inside_of(server, "[fd00:201::2]"))
    third = ip_address(inside_of(server, lab.client_address(2)))
    assert first in ip_network("10.125.7.0/28")
    assert second in ip_network("10.125.8.0/30")
    assert third not in ip_network("10.125.7.0/28") and third not in ip_network("10.125.8.0/30")
    for i in range(3):
        traffic.ping(lab.clients[i], count=1)


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_part_never_borrows(few_lab, mode):
    """The second client of the address finds nothing, although the pool has 65,000 more."""
    lab = few_lab
    server = programs.Server(lab, mode=mode,
                             ip_map={lab.server_address(0): "10.125.7.1/32"}).wait_ready()
    first = programs.Client(lab, index=0, mode=mode, route_mode="noexec").wait_online()
    assert inside_of(server, lab.client_address(0)) == "10.125.7.1"
    second = programs.Client(lab, index=0, mode=mode, tun_name="slipway1", tun_local_ip="100.64.1.6",
                             tun_peer_ip="100.64.1.5", route_mode="noexec")
    assert second.process.wait_for_end(10) != 0
    assert "refused the login" in second.process.log()
    assert server.metrics()["conn_rejected_no_free_ip"] == 1
    assert f"no inside address is free: ip_map for {lab.server_address(0)}" in server.process.log()
    assert first.stop() == 0
    server.wait_for_sessions(0)
    programs.Client(lab, index=0, mode=mode).wait_online()


def ends_by_goodbye(lab, mode):
    assert programs.Client(lab, mode=mode).wait_online().stop() == 0


def ends_by_vanishing(lab, mode):
    """Over TCP the kernel says so; over UDP nobody does, until the session has been idle."""
    programs.Client(lab, mode=mode).wait_online().kill()


def ends_unreachable(lab, mode):
    client = programs.Client(lab, mode=mode).wait_online()
    lab.client.ip("link", "set", "out0", "down")
    client.kill()
    lab.client.ip("link", "set", "out0", "up")


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_address_comes_back_however_a_session_ends(own_lab, mode):
    lab = own_lab
    server = programs.Server(lab, mode=mode, connection_idle_limit="2s",
                             **ONE_ADDRESS).wait_ready()
    for end in (ends_by_goodbye, ends_by_vanishing, ends_unreachable):
        end(lab, mode)
        server.wait_for_sessions(0)
        assert server.status()["addresses_used"] == 0, end
    refused = programs.Client(lab, mode=mode, password="wrong")
    assert refused.process.wait_for_end(10) != 0
    wait_until(lambda: server.status()["addresses_used"] == 0, 5, "no address in use")
    programs.Client(lab, mode=mode, keepalive_interval="500ms").wait_online()
    assert server.online()[0]["inside_ip"] == THE_ADDRESS
    assert server.metrics().get("conn_rejected_no_free_ip", 0) == 0


def test_address_that_rested_longest_is_next(lab):
    """Late packets to the last owner of an address shall find nobody for as long as possible."""
    server = programs.Server(lab, ip_pool="10.125.0.0/29", randomize_ippool=False).wait_ready()
    seen = []
    for _ in range(3):
        client = programs.Client(lab).wait_online()
        seen.append(server.online()[0]["inside_ip"])
        assert client.stop() == 0
        server.wait_for_sessions(0)
    # .1, .5 and .6 are reserved: tun_ip and what clients are told
    assert seen == ["10.125.0.2", "10.125.0.3", "10.125.0.4"]
