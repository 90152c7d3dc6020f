# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers, several addresses of one: all are tried at once, one is chosen."""

import time

import pytest

from slipway_lab import programs, traffic
from slipway_lab.pki import SERVER_NAME
from slipway_lab.process import wait_until
from slipway_lab.programs import PORT, Exit
from slipway_lab.strange import Stranger

MODES = ("udp", "tcp")
# Of a name's addresses, the resolver puts that first which has most bits in common with the client's
# own, 192.168.200.2.
SECOND = "192.168.200.3"  # another address of the server, where a test needs one
NOBODY = SECOND  # where it does not
PROMPT = 5


def entry(address, mode="udp", port=PORT, **more):
    return {"server": f"{address}:{port}", "mode": mode, "server_dn": SERVER_NAME, **more}


def connect(lab, entries, **options):
    return programs.Client(lab, mode=None, server_dn=None, servers=entries, **options)


def static_routes(lab):
    """Where the host routes on the client's outer device lead."""
    shown = lab.client.ip("route", "show", "proto", "static", "dev", "out0").stdout.splitlines()
    return [line.split()[0] for line in shown]


def mode_of(client):
    return client.status()["mode"]


@pytest.fixture
def second_address(lab):
    lab.server.ip("address", "add", f"{SECOND}/24", "dev", "out0")
    # A test before may have asked for it in vain, and the kernel asks again only after a second.
    lab.client.ip("neighbour", "flush", "dev", "out0")
    yield SECOND
    lab.server.ip("address", "delete", f"{SECOND}/24", "dev", "out0")
    lab.client.ip("neighbour", "flush", "dev", "out0")


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_eight_wrong_ports_and_two_right_ones(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    address = lab.server_address()
    entries = [entry(address, mode, port) for port in range(20001, 20009)]
    client = connect(lab, [*entries, entry(address, mode), entry(address, mode)]).wait_online()
    traffic.ping(lab.client)
    assert traffic.whoami(lab.client).startswith("10.0.")
    server.wait_for_sessions(1)
    states = [server["state"] for server in client.status()["servers"]]
    assert states[:8].count("failed") + states[:8].count("not needed") == 8
    assert sorted(states[8:]) == ["chosen", "not needed"]
    assert client.stop() == 0
    server.wait_for_sessions(0)


@pytest.mark.asan
@pytest.mark.parametrize("first", MODES)
def test_the_preferred_of_two_transports(lab, second_address, first):
    """The one static route on the outer device leads to the server that was chosen."""
    other = "tcp" if first == "udp" else "udp"
    server = programs.Server(lab, mode="both").wait_ready()
    before = static_routes(lab)
    client = connect(lab, [entry(lab.server_address(), first), entry(second_address, other)],
                     preferred_connection_wait_interval="5s").wait_online()
    assert mode_of(client) == first
    assert static_routes(lab) == [lab.server_address()]
    server.wait_for_sessions(1)
    traffic.ping(lab.client)
    traffic.download(lab.client, 4_000_000)
    assert client.stop() == 0
    assert static_routes(lab) == before
    server.wait_for_sessions(0)


def test_a_silent_preferred_server_is_waited_for_no_longer_than_said(lab):
    server = programs.Server(lab).wait_ready()
    silent = Stranger(lab, "udp-silent", 20001)
    began = time.monotonic()
    client = connect(lab, [entry(lab.server_address(), port=20001), entry(lab.server_address())],
                     preferred_connection_wait_interval="2s")
    client.process.wait_for(lambda: server.online(), 10, "a session at the second server")
    assert not client.try_status() or client.state() == "Connecting"
    client.wait_online()
    assert time.monotonic() - began >= 2
    wait_until(lambda: silent.heard() > 0, 5, "something heard")
    assert [s["state"] for s in client.status()["servers"]] == ["not needed", "chosen"]
    traffic.ping(lab.client)


def test_a_preferred_server_that_has_failed_is_not_waited_for(lab):
    programs.Server(lab).wait_ready()
    client = connect(lab, [entry(lab.server_address(), "tcp"), entry(lab.server_address())],
                     preferred_connection_wait_interval="1h").wait_online()
    assert mode_of(client) == "udp"


@pytest.mark.asan
def test_losers_leave_no_session(lab):
    """Whatever point the others have come to: the server forgets them long before they get stale."""
    server = programs.Server(lab, mode="both").wait_ready()
    address = lab.server_address()
    entries = [entry(address, mode) for mode in MODES * 4]
    client = connect(lab, entries).wait_online()
    server.wait_for_sessions(1, timeout=8)
    assert server.status()["addresses_used"] == 1
    traffic.ping(lab.client)
    assert client.stop() == 0
    server.wait_for_sessions(0)


def test_each_failure_says_whose_it_is(lab, hosts):
    programs.Server(lab).wait_ready()
    address = lab.server_address()
    client = connect(lab, [entry("other.slipway.test"), entry(address, port=20001), entry(address)],
                     preferred_connection_wait_interval="10s", launcher=hosts(address))
    client.wait_online(timeout=PROMPT + 10)
    warnings = [line for line in client.process.log().splitlines() if " WARN client: " in line]
    assert any("server other.slipway.test: " in line for line in warnings), warnings
    assert any(f"server={address} address={address}:20001 mode=udp" in line for line in warnings)


def test_a_login_refused_by_one_is_accepted_by_another(lab):
    programs.Server(lab).wait_ready()
    address = lab.server_address()
    client = connect(lab, [entry(address, user="nobody", password="wrong"), entry(address)],
                     preferred_connection_wait_interval="10s").wait_online()
    [refused, chosen] = client.status()["servers"]
    assert refused["state"] == "failed" and "login" in refused["why"]
    assert chosen["state"] == "chosen"


@pytest.mark.parametrize("number", (15, 2), ids=("term", "int"))
def test_signal_while_connecting(lab, number):
    Stranger(lab, "tcp-silent", 20001)
    silent = Stranger(lab, "udp-silent", 20002)
    client = connect(lab, [entry(lab.server_address(), "tcp", 20001),
                           entry(lab.server_address(), "udp", 20002)])
    client.process.wait_for(silent.heard, PROMPT, "a first datagram")
    assert client.state() == "Connecting"
    client.process.signal(number)
    assert client.process.wait_for_end(PROMPT) == Exit.STOPPED


# --- names and addresses --------------------------------------------------------------------------

@pytest.fixture
def hosts(lab):
    """Writes a hosts file for one client; the launcher that gives it to it."""
    def make(*addresses, name="vpn.slipway.test"):
        path = lab.run.directory / f"hosts-{time.monotonic_ns()}"
        path.write_text("".join(f"{address} {name}\n" for address in addresses))
        return programs.with_hosts(path)
    return make


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_a_dead_first_address_costs_a_moment(lab, hosts, mode):
    programs.Server(lab, mode=mode).wait_ready()
    launcher = hosts(NOBODY, lab.server_address())
    client = programs.Client(lab, mode=mode, server=f"vpn.slipway.test:{PORT}",
                             launcher=launcher).wait_online(timeout=PROMPT)
    assert client.status()["server"].startswith(lab.server_address())
    assert f"Connecting to {NOBODY}" in client.process.log()
    traffic.ping(lab.client)


@pytest.mark.parametrize("kind", ("udp-silent", "tcp-silent"))
def test_a_silent_first_address_costs_a_moment(lab, hosts, second_address, kind):
    """What accepts TCP connections and says nothing is no server."""
    mode = kind[:3]
    stranger = Stranger(lab, kind, PORT, second_address)
    programs.Server(lab, mode=mode, bind_address=f"{lab.server_address()}:{PORT}").wait_ready()
    client = programs.Client(lab, mode=mode, server=f"vpn.slipway.test:{PORT}",
                             launcher=hosts(second_address, lab.server_address()))
    client.wait_online(timeout=PROMPT)
    assert client.status()["server"].startswith(lab.server_address())
    wait_until(lambda: stranger.heard() > 0, 5, "something heard")


def test_both_families_are_tried(lab, hosts):
    """The server has no IPv6 socket: the address of the other family is next."""
    programs.Server(lab).wait_ready()
    client = programs.Client(lab, server=f"vpn.slipway.test:{PORT}",
                             launcher=hosts(lab.server_address(family=6), lab.server_address()))
    client.wait_online(timeout=PROMPT)
    assert client.status()["server"].startswith(lab.server_address())


def test_a_refused_login_is_not_repeated_at_other_addresses(lab, hosts, second_address):
    server = programs.Server(lab).wait_ready()
    client = programs.Client(lab, server=f"vpn.slipway.test:{PORT}", password="wrong",
                             launcher=hosts(second_address, lab.server_address()))
    assert client.process.wait_for_end(PROMPT) == Exit.LOGIN
    assert server.metrics()["conn_rejected_access_denied"] == 1


# --- how it ends ----------------------------------------------------------------------------------

@pytest.mark.asan
@pytest.mark.parametrize("kind, status, word", (
    ("tcp-silent", Exit.UNREACHABLE, "answer"),
    ("udp-silent", Exit.UNREACHABLE, "answer"),
    ("tcp-closes", Exit.CONNECTION, "closed"),
    ("tcp-garbage", Exit.CONNECTION, "ended"),
))
def test_status_for_what_is_no_server(lab, kind, status, word):
    Stranger(lab, kind, PORT)
    began = time.monotonic()
    client = programs.Client(lab, mode=kind[:3], connect_timeout="2s")
    assert client.process.wait_for_end(10) == status
    assert word in client.process.log_end(1)
    if "silent" in kind:
        assert time.monotonic() - began >= 2


@pytest.mark.parametrize("mode", MODES)
def test_status_when_nobody_is_there(lab, mode):
    client = programs.Client(lab, mode=mode, server=f"{NOBODY}:{PORT}", connect_timeout="1s")
    assert client.process.wait_for_end(10) == Exit.UNREACHABLE


def test_status_without_an_address(lab, hosts):
    client = programs.Client(lab, server=f"other.slipway.test:{PORT}",
                             launcher=hosts(lab.server_address()), connect_timeout="2s")
    assert client.process.wait_for_end(15) == Exit.NAME
    assert "other.slipway.test" in client.process.log_end(1)


def test_status_of_the_server_that_came_furthest(lab):
    programs.Server(lab).wait_ready()
    address = lab.server_address()
    for entries, status in (
            ([entry(address, "tcp"), entry(address, password="wrong", user="alice")], Exit.LOGIN),
            ([entry(address, ca_cert=str(lab.pki.other_ca)), entry(address, "tcp")],
             Exit.CERTIFICATE),
            ([entry(address, "tcp"), entry(address, "tcp", 20001)], Exit.UNREACHABLE)):
        client = connect(lab, entries)
        assert client.process.wait_for_end(PROMPT) == status
        assert "none of 2 servers" in client.process.log_end(1)


def test_status_when_the_device_goes(lab):
    _, client = programs.tunnel(lab)
    lab.client.ip("link", "delete", client.tun)
    assert client.process.wait_for_end(PROMPT) == Exit.HOST


def test_status_of_a_wrong_start(lab):
    assert programs.Client(lab, arguments=["--no-such-flag"]).process.wait_for_end(PROMPT) == \
        Exit.USAGE
    assert programs.Client(lab, cipher="rot13").process.wait_for_end(PROMPT) == Exit.SETUP
