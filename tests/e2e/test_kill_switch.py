# SPDX-License-Identifier: GPL-3.0-or-later
"""kill_switch and block_ipv6: what leaves the client's host beside the tunnel, counted by a filter
on the next host, where the client's own has no say.
"""

import itertools
import json
import signal

import pytest

from slipway_lab import network, programs, traffic
from slipway_lab.process import run, wait_until

DEVICE = "out0"
TABLE = f"slipway-client-{programs.TUN}"
ELSEWHERE = "198.51.100.7"
ELSEWHERE6 = "2001:db8:99::7"
_numbers = itertools.count(1)


class Watch:
    """Counts what the server's host gets on its outside device, but for the tunnel's packets."""

    def __init__(self, lab):
        self.lab, self.table = lab, f"watch{next(_numbers)}"
        lab.server.nft(f"""
            table inet {self.table} {{
                counter beside {{ }}
                chain inside {{
                    type filter hook prerouting priority raw;
                    iifname != "out0" return
                    meta l4proto {{ udp, tcp }} th dport {programs.PORT} return
                    ip6 hoplimit 255 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert,
                                                     nd-router-solicit }} return
                    icmpv6 type mld2-listener-report return
                    counter name beside
                }}
            }}""")

    def count(self):
        text = self.lab.server.run("nft", "-j", "list", "counters", "table", "inet",
                                   self.table).stdout
        return next(entry["counter"]["packets"] for entry in json.loads(text)["nftables"]
                    if "counter" in entry)

    def close(self):
        self.lab.server.run("nft", "delete", "table", "inet", self.table)


def has_table(lab):
    return TABLE in lab.client.run("nft", "list", "tables").stdout


def remove_table(lab):
    lab.client.run("nft", "delete", "table", "inet", TABLE, check=False)


@pytest.fixture
def open_lab(lab):
    """The client's host has a default route over the server's host, in both families."""
    gateways = {"-4": lab.server_address(), "-6": lab.server_address(family=6)}
    for family, gateway in gateways.items():
        lab.client.ip(family, "route", "add", "default", "via", gateway, "dev", DEVICE)
    lab.watch = Watch(lab)
    yield lab
    for family in gateways:
        lab.client.ip(family, "route", "delete", "default", check=False)
    lab.client.ip("route", "flush", "proto", "static")
    remove_table(lab)
    lab.watch.close()


def try_everything(host):
    """One packet and more to everywhere but the tunnel's server. All is refused, or unanswered."""
    for destination in (ELSEWHERE, "192.168.200.1", "10.9.9.9", ELSEWHERE6, "fd00:200::1"):
        host.run("ping", "-c", "1", "-W", "0.02", destination, check=False)
    script = f"""
import socket
for family, host in ((socket.AF_INET, "{ELSEWHERE}"), (socket.AF_INET, "192.168.200.1"),
                     (socket.AF_INET6, "{ELSEWHERE6}"), (socket.AF_INET6, "fd00:200::1")):
    for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 443), (socket.SOCK_STREAM, 80)):
        with socket.socket(family, kind) as s:
            s.settimeout(0.02)
            try:
                s.connect((host, port))
                s.send(b"x")
            except OSError:
                pass
"""
    host.run("python3", "-c", script)


def test_without_it_everything_leaves(open_lab):
    """Shows that what the other tests try would be counted."""
    programs.tunnel(open_lab, client={"route_mode": "noexec"})
    try_everything(open_lab.client)
    wait_until(lambda: open_lab.watch.count() >= 10, 5, "the packets")


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_nothing_leaves_while_connected(open_lab, mode):
    lab = open_lab
    _, client = programs.tunnel(lab, {"mode": mode}, {"kill_switch": True})
    traffic.ping(lab.client)
    try_everything(lab.client)
    assert lab.watch.count() == 0
    assert client.status()["kill_switch"] is True
    assert client.stop() == 0
    assert not has_table(lab)
    try_everything(lab.client)
    wait_until(lambda: lab.watch.count() > 0, 5, "a packet")


@pytest.fixture
def guest(open_lab):
    """A host whose way to everything is the client's host, which forwards."""
    lab = open_lab
    host = network.Host(lab.run, "guest")
    run(["ip", "link", "add", "name", "out0", "netns", host.namespace, "type", "veth",
         "peer", "name", "guest0", "netns", lab.client.namespace])
    host.batch("link set out0 up", "address add 192.168.55.2/24 dev out0",
               "address add fd00:55::2/64 dev out0 nodad",
               "route add default via 192.168.55.1", "route add ::/0 via fd00:55::1")
    lab.client.batch("link set guest0 up", "address add 192.168.55.1/24 dev guest0",
                     "address add fd00:55::1/64 dev guest0 nodad")
    lab.client.sysctl({"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})
    yield host
    lab.client.sysctl({"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0"})
    lab.client.ip("link", "delete", "guest0")


def test_nothing_is_forwarded_beside_the_tunnel(open_lab, guest):
    lab = open_lab
    destinations = (ELSEWHERE, ELSEWHERE6)
    for destination in destinations:
        before = lab.watch.count()
        guest.run("ping", "-c", "1", "-W", "0.02", destination, check=False)
        wait_until(lambda at=before: lab.watch.count() > at, 5, "a packet of the guest")
    _, client = programs.tunnel(lab, client={"kill_switch": True, "route_mode": "noexec"})
    before = lab.watch.count()
    for destination in destinations:
        guest.run("ping", "-c", "3", "-i", "0.1", "-W", "0.1", destination, check=False)
    assert lab.watch.count() == before
    assert client.stop() == 0


def test_nothing_leaves_before_there_is_a_connection(open_lab):
    lab = open_lab
    client = programs.Client(lab, kill_switch=True, reconnect=True)
    client.process.wait_for(lambda: has_table(lab), 5, "the table")
    try_everything(lab.client)
    assert lab.watch.count() == 0
    programs.Server(lab).wait_ready()
    client.wait_online(30)
    traffic.ping(lab.client)
    assert lab.watch.count() == 0
    assert client.stop() == 0


@pytest.mark.asan
def test_nothing_leaves_when_the_server_is_killed(open_lab):
    """The client gives up by itself, and its routes go; the table stays."""
    lab = open_lab
    server, client = programs.tunnel(lab, client={
        "kill_switch": True, "keepalive_interval": "200ms", "keepalive_timeout": "1s"})
    server.process.signal(signal.SIGKILL)
    wait_until(lambda: not try_everything(lab.client) and not client.is_running(), 15,
               "the client's end")
    assert client.process.returncode() == 7
    assert f'"nft delete table inet {TABLE}" ends that' in client.process.log()
    try_everything(lab.client)
    assert lab.watch.count() == 0
    remove_table(lab)
    try_everything(lab.client)
    wait_until(lambda: lab.watch.count() > 0, 5, "a packet")


def test_nothing_leaves_between_two_connections(open_lab):
    lab = open_lab
    server, client = programs.tunnel(lab, client={
        "kill_switch": True, "reconnect": True, "keepalive_interval": "200ms",
        "keepalive_timeout": "1s"})
    server.process.kill()
    client.process.wait_for(lambda: client.state() == "Reconnecting", 10, "the loss")
    try_everything(lab.client)
    programs.Server(lab).wait_ready()
    client.wait_online(30)
    traffic.ping(lab.client)
    try_everything(lab.client)
    assert lab.watch.count() == 0
    assert client.stop() == 0
    assert not has_table(lab)


@pytest.mark.asan
def test_killed_client_leaves_the_table_to_the_next(open_lab):
    lab = open_lab
    server, client = programs.tunnel(lab, client={"kill_switch": True})
    client.kill()
    try_everything(lab.client)
    assert lab.watch.count() == 0
    second = programs.Client(lab, kill_switch=True).wait_online()
    try_everything(lab.client)
    assert lab.watch.count() == 0
    second.kill()
    server.wait_for_sessions(2)
    third = programs.Client(lab).wait_online()
    assert not has_table(lab)
    assert "left behind: routes: 1 packet filter" in third.process.log()
    assert third.stop() == 0


def test_name_servers_may_be_asked_until_the_first_connection(open_lab):
    lab = open_lab
    hosts = lab.run.directory / "hosts"
    hosts.write_text(f"{lab.server_address()} vpn.test\n")
    enter = f'mount --make-rprivate / && mount --bind {hosts} /etc/hosts && exec "$@"'

    def rules():
        return lab.client.run("nft", "list", "tables", check=False).stdout and lab.client.run(
            "nft", "list", "table", "inet", TABLE, check=False).stdout

    client = programs.Client(lab, server=f"vpn.test:{programs.PORT}", kill_switch=True,
                             reconnect=True, launcher=["unshare", "-m", "sh", "-c", enter, "sh"])
    client.process.wait_for(lambda: "th dport { 53, 853 } accept" in rules(), 5, "the rule")
    programs.Server(lab).wait_ready()
    client.wait_online(30)
    assert "udp dport 27690 accept" in rules()
    assert "53, 853" not in rules()
    try_everything(lab.client)
    assert lab.watch.count() == 0
    assert client.stop() == 0


def test_local_network_may_be_reached_in_mode_lan(open_lab):
    lab = open_lab
    programs.tunnel(lab, client={"kill_switch": True, "route_mode": "lan"})
    lab.client.run("ping", "-c", "1", "-W", "5", "192.168.200.1")
    before = lab.watch.count()
    assert before > 0
    for destination in (ELSEWHERE, ELSEWHERE6):
        lab.client.run("ping", "-c", "1", "-W", "0.02", destination, check=False)
    lab.client.run("ping", "-c", "1", "-W", "5", "100.64.0.1")
    assert lab.watch.count() == before


def test_marked_packets_only_with_fwmark(open_lab):
    lab = open_lab
    _, client = programs.tunnel(lab, client={"kill_switch": True, "fwmark": 1698916352})
    rules = lab.client.run("nft", "list", "table", "inet", TABLE).stdout
    assert (f"meta mark {1698916352:#010x} ip daddr {lab.server_address()} udp dport 27690 accept"
            in rules)
    traffic.ping(lab.client)
    assert client.stop() == 0


def test_server_over_ipv6_is_reached(open_lab):
    lab = open_lab
    address = f"[{lab.server_address(family=6)}]:{programs.PORT}"
    programs.Server(lab, bind_address=f"[::]:{programs.PORT}").wait_ready()
    client = programs.Client(lab, server=address, kill_switch=True).wait_online()
    traffic.ping(lab.client)
    try_everything(lab.client)
    assert lab.watch.count() == 0
    assert lab.client.ip("-6", "route", "show", "proto", "static").stdout == ""
    assert client.stop() == 0


def test_block_ipv6_refuses_it_while_connected(open_lab):
    lab = open_lab
    _, client = programs.tunnel(lab, client={"block_ipv6": True, "route_mode": "noexec"})
    lab.client.run("ping", "-c", "1", "-W", "5", lab.server_address())
    before = lab.watch.count()
    assert before > 0
    for destination in (ELSEWHERE6, "fd00:200::1"):
        refused = lab.client.run("ping", "-c", "1", "-W", "5", destination, check=False)
        assert refused.returncode != 0
    assert lab.watch.count() == before
    lab.client.run("ping", "-c", "1", "-W", "5", "::1")
    assert client.stop() == 0
    lab.client.run("ping", "-c", "1", "-W", "5", "fd00:200::1")


def test_block_ipv6_does_not_outlive_the_client(open_lab):
    lab = open_lab
    server, client = programs.tunnel(lab, client={"block_ipv6": True})
    assert has_table(lab)
    assert server.stop() == 0
    assert client.process.wait_for_end(10) == 8
    assert not has_table(lab)
