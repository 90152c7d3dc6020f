# SPDX-License-Identifier: GPL-3.0-or-later
"""A client with reconnect: it comes back, and nothing leaves beside the tunnel meanwhile."""

import re

import pytest

from slipway_lab import network, programs, traffic
from slipway_lab.pki import SERVER_NAME
from slipway_lab.process import Process, wait_until
from slipway_lab.programs import PORT, Exit

MODES = ("udp", "tcp")
QUICKLY = {"reconnect": True, "reconnect_wait": "200ms", "reconnect_wait_max": "500ms",
           "keepalive_interval": "1s", "keepalive_timeout": "2s", "connect_timeout": "5s"}
HALVES = ("0.0.0.0/1", "128.0.0.0/1")
FAR = ("172.16.7.1", "172.16.7.2")  # of the server, behind its outer address
PROMPT = 5
PATIENT = 30


@pytest.fixture
def leaks(own_lab):
    """A default route, so that there is something to leak through, and a count of what does."""
    lab = own_lab
    lab.client.ip("route", "add", "default", "via", lab.server_address())
    lab.client.nft("""
        table ip leaks {
            chain out {
                type filter hook output priority 0;
                oifname "out0" ip daddr 10.0.0.0/16 counter
            }
        }""")
    yield lambda: int(re.search(r"counter packets (\d+)",
                                lab.client.run("nft", "list", "table", "ip", "leaks").stdout)[1])
    lab.client.nft("delete table ip leaks")
    lab.client.ip("route", "delete", "default", "via", lab.server_address())


def index_of(client):
    return client.host.ip("-o", "link", "show", "dev", client.tun).stdout.split(":")[0]


def wait_reconnecting(client):
    client.process.wait_for(lambda: client.state() == "Reconnecting", PATIENT, "reconnecting")


def wait_back(client, times=1):
    client.process.wait_for(lambda: client.state() == "Online" and
                            client.status()["reconnects"] >= times, PATIENT, "being back")


@pytest.mark.asan
@pytest.mark.parametrize("end", ("kill", "stop"))
@pytest.mark.parametrize("mode", MODES)
def test_the_server_comes_back(own_lab, leaks, mode, end):
    lab = own_lab
    server, client = programs.tunnel(lab, {"mode": mode}, QUICKLY)
    index, monitor = index_of(client), Process(lab.run, f"monitor-{mode}-{end}",
                                               ["ip", "monitor", "route"], lab.client.namespace)
    traffic.ping(lab.client)
    getattr(server, end)()
    wait_reconnecting(client)
    status = client.status()
    assert status["last_end"] and "session" not in status
    assert not traffic.can_reach(lab.client)

    server = programs.Server(lab, mode=mode).wait_ready()
    wait_back(client)
    traffic.ping(lab.client)
    traffic.download(lab.client, 4_000_000)
    assert index_of(client) == index
    assert leaks() == 0
    assert not any(f"Deleted {half}" in monitor.log() for half in HALVES), monitor.log()
    server.wait_for_sessions(1)
    assert client.status()["reconnects"] == 1
    assert client.stop() == Exit.STOPPED
    assert not lab.client.has_device(client.tun)
    shown = lab.client.ip("route", "show").stdout
    assert "static" not in shown, shown


@pytest.fixture
def far_addresses(own_lab):
    for address in FAR:
        own_lab.server.ip("address", "add", f"{address}/32", "dev", "lo")
    yield FAR
    for address in FAR:
        own_lab.server.ip("address", "delete", f"{address}/32", "dev", "lo")


@pytest.mark.asan
@pytest.mark.parametrize("modes", (("udp", "tcp"), ("tcp", "udp"), ("udp", "udp")), ids="-".join)
def test_another_server_takes_its_place(own_lab, leaks, far_addresses, modes):
    """Its way must not lead into the tunnel that is not there, though both halves of the net do."""
    lab = own_lab
    first, second = far_addresses

    def serve(i):
        device = {"tun_name": f"slipway{i}", "ip_pool": f"10.{125 + i}.0.0/16",
                  "tun_ip": f"10.{125 + i}.0.1", "control_socket": lab.run.directory / f"{i}.ctl"}
        return programs.Server(lab, mode=modes[i], bind_address=f"{far_addresses[i]}:{PORT}",
                               **device)

    def pinned():
        shown = lab.client.ip("route", "show", "proto", "static", "dev", "out0").stdout
        return [line.split()[0] for line in shown.splitlines()]

    servers = [{"server": f"{address}:{PORT}", "mode": mode, "server_dn": SERVER_NAME}
               for address, mode in zip(far_addresses, modes)]
    one = serve(0)
    client = programs.Client(lab, mode=None, server_dn=None, servers=servers,
                             preferred_connection_wait_interval="1s", **QUICKLY).wait_online()
    assert pinned() == [first]
    one.kill()
    two = serve(1)
    wait_back(client)
    assert client.status()["server"].startswith(second)
    assert pinned() == [second]
    traffic.ping(lab.client)
    assert leaks() == 0
    two.kill()
    one = programs.Server(lab, mode=modes[0], bind_address=f"{first}:{PORT}")
    wait_back(client, 2)
    assert pinned() == [first]
    traffic.ping(lab.client)
    assert client.stop() == Exit.STOPPED
    assert pinned() == []


def test_the_first_server_may_come_late(lab):
    client = programs.Client(lab, **QUICKLY)
    client.process.wait_for_log("connecting again in")
    assert client.state() == "Connecting"
    programs.Server(lab).wait_ready()
    client.wait_online()
    traffic.ping(lab.client)


def test_waits_grow(lab):
    client = programs.Client(lab, mode="tcp", reconnect=True, reconnect_wait="100ms",
                             reconnect_wait_max="1h")
    client.process.wait_for(lambda: client.process.log().count("connecting again in") >= 4, PATIENT,
                            "four tries")
    waits = [float(w) for w in re.findall(r"connecting again in ([\d.]+) s", client.process.log())]
    assert waits[3] > waits[0]
    assert client.status()["next_try_in_ms"] > 0


@pytest.mark.asan
def test_a_signal_ends_the_wait(lab):
    before = lab.client.ip("route", "show").stdout
    server, client = programs.tunnel(lab, client={**QUICKLY, "reconnect_wait": "1h",
                                                  "reconnect_wait_max": "1h"})
    server.stop()
    wait_reconnecting(client)
    assert all(half in lab.client.ip("route", "show").stdout for half in HALVES)
    assert client.stop() == Exit.STOPPED
    assert lab.client.ip("route", "show").stdout == before
    assert not lab.client.has_device(client.tun)


def test_a_refused_login_is_not_repeated_for_ever(lab):
    """At once if it never was good, and at the third time if it was."""
    server, client = programs.tunnel(lab, client=QUICKLY)
    other = programs.Client(lab, tun_name="other0", route_mode="noexec", password="wrong",
                            **QUICKLY)
    assert other.process.wait_for_end(PROMPT) == Exit.LOGIN
    server.stop()
    nobody = lab.run.directory / "nobody.users"
    nobody.touch(mode=0o600)
    nobody.write_text(lab.pki.users.read_text().replace("alice:", "somebody:"))
    server = programs.Server(lab, user_db=nobody).wait_ready()
    assert client.process.wait_for_end(PATIENT) == Exit.LOGIN
    assert server.metrics()["conn_rejected_access_denied"] == 3


@pytest.mark.parametrize("mode", MODES)
def test_it_is_back_soon_after_its_link(own_lab, mode):
    """While the way to the server is gone, both halves of the net lead into the tunnel."""
    lab = own_lab
    _, client = programs.tunnel(lab, {"mode": mode}, {**QUICKLY, "connect_timeout": "1h"})
    lab.client.ip("link", "set", "out0", "down")
    wait_reconnecting(client)
    client.process.wait_for_log("outside the tunnel; connecting again")
    lab.client.ip("link", "set", "out0", "up")
    wait_back(client)
    traffic.ping(lab.client)


def test_refusals_count_only_in_a_row(lab):
    """Each time a login that was refused is good again, the count starts over."""
    nobody = lab.run.directory / "nobody-in-between.users"
    nobody.touch(mode=0o600)
    nobody.write_text(lab.pki.users.read_text().replace("alice:", "somebody:"))
    server, client = programs.tunnel(lab, client={**QUICKLY, "reconnect_wait": "1s",
                                                  "reconnect_wait_max": "1s"})

    def refusals():
        return client.process.log().count("refused the login")

    times = 0
    while refusals() < 3:
        times += 1
        before = refusals()
        server.stop()
        server = programs.Server(lab, user_db=nobody).wait_ready()
        client.process.wait_for(lambda: refusals() > before, PATIENT, "a refused login")
        server.stop()
        server = programs.Server(lab).wait_ready()
        wait_back(client, times)
    assert client.state() == "Online"


def test_names_are_resolved_again(lab):
    """The server moves to another address while the client is on its way."""
    path = lab.run.directory / "moving-hosts"
    path.write_text(f"{lab.server_address()} vpn.slipway.test\n")
    server, client = programs.tunnel(lab, client={
        **QUICKLY, "server": f"vpn.slipway.test:{PORT}", "launcher": programs.with_hosts(path)})
    server.stop()
    wait_reconnecting(client)
    path.write_text("192.168.200.3 vpn.slipway.test\n")
    lab.server.ip("address", "add", "192.168.200.3/24", "dev", "out0")
    try:
        programs.Server(lab, bind_address=f"192.168.200.3:{PORT}").wait_ready()
        wait_back(client)
        assert client.status()["server"].startswith("192.168.200.3")
        traffic.ping(lab.client)
        assert client.stop() == Exit.STOPPED
    finally:
        lab.server.ip("address", "delete", "192.168.200.3/24", "dev", "out0")


def test_without_the_option_the_client_ends(lab):
    server, client = programs.tunnel(lab)
    server.stop()
    assert client.process.wait_for_end(PROMPT) == Exit.GOODBYE
    assert network.REMOTE not in lab.client.ip("route", "show").stdout


def test_again_and_again(lab):
    """Nothing piles up: one session, one device, the same routes after each time."""
    server, client = programs.tunnel(lab, client=QUICKLY)
    shown = sorted(lab.client.ip("route", "show").stdout.splitlines())
    for i in range(4):
        server.stop()
        wait_reconnecting(client)
        server = programs.Server(lab).wait_ready()
        wait_back(client, i + 1)
        traffic.ping(lab.client, count=1)
        assert sorted(lab.client.ip("route", "show").stdout.splitlines()) == shown
    wait_until(lambda: len(server.sessions()) == 1, PROMPT, "one session")
