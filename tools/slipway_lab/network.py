# SPDX-License-Identifier: GPL-3.0-or-later
"""The three hosts.

    <id>-client, <id>-client1 ..          <id>-server                     <id>-remote
        out0 192.168.200.2  --------  out0 192.168.200.1
        out0 192.168.201.2  --------  out1 192.168.201.1
                                      wan0 10.0.0.1  ------------------  wan0 10.0.0.42

The remote host stands behind the server, which forwards and hides everything behind 10.0.0.1. The
remote host has no route back to any client and no client has a route to 10.0.0.0/16, so what
arrives has gone through a tunnel and through the source NAT. There can be 64 clients; after
192.168.255.0/24 the next one has 192.168.0.0/24.

With router=True a fourth host <id>-router stands between the first client and the server, the place
for relays, shaping and smaller MTUs:

    client out0 192.168.200.2 -- 192.168.200.1 out0 router in0 192.168.190.2 -- 192.168.190.1 out0

Clients and server also have IPv6 addresses on the outside: fd00:200::2 and fd00:200::1 and so on.
"""

from ipaddress import ip_interface
from pathlib import Path

from .pki import Pki
from .process import run

SERVER_BACKEND = "10.0.0.1"
REMOTE = "10.0.0.42"
BACKEND_NETWORK = "10.0.0.0/16"
# One flow's window can fill a queue of 500 superpackets, as with the defaults of kernels from 2025 on:
# with less, the window and not the queue would bound how long a ping waits beside a flow.
SYSCTLS = {
    "net.ipv4.tcp_rmem": "4096 131072 33554432",
    "net.ipv4.tcp_wmem": "4096 65536 33554432",
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.promote_secondaries": "1",
}


class Host:
    """A namespace by the role it plays."""

    def __init__(self, run_, role):
        self.role = role
        self.namespace = run_.add_namespace(role)
        run(["ip", "netns", "add", self.namespace])

    def run(self, *argv, **options):
        return run(argv, namespace=self.namespace, **options)

    def ip(self, *arguments, **options):
        return run(["ip", "-n", self.namespace, *arguments], **options)

    def batch(self, *lines):
        """Several ip commands in one process."""
        run(["ip", "-n", self.namespace, "-batch", "-"], input="\n".join(lines) + "\n")

    def sysctl(self, settings):
        self.run("sysctl", "-qw", *(f"{key}={value}" for key, value in settings.items()))

    def use_plain_tcp(self):
        """Cubic, or Reno where a namespace may not have it: bbr paces, and so halves superpackets.

        Returns which of them it is.
        """
        key = "net.ipv4.tcp_congestion_control"
        if self.run("sysctl", "-qw", f"{key}=cubic", check=False).returncode == 0:
            return "cubic"
        self.sysctl({key: "reno"})
        return "reno"

    def nft(self, rules):
        self.run("nft", "-f", "-", input=rules)

    def has_device(self, device):
        return self.ip("link", "show", "dev", device, check=False).returncode == 0


def _network(i):
    """The first three numbers of the network of client i."""
    return f"192.168.{(200 + i) % 256}"


class Lab:
    """The hosts of one run, and the certificates and users they have in common."""

    def __init__(self, run_, clients=1, router=False, outside_mtu=1500):
        self.run = run_
        self.link_ends = []  # (host, device)
        self.congestion_control = "cubic"
        self.route_options = []  # what makes TCP over a route use it, where that needs saying
        self.pki = Pki(run_.directory)
        self.server = Host(run_, "server")
        self.remote = Host(run_, "remote")
        self.clients = [Host(run_, f"client{i or ''}") for i in range(clients)]
        self.router = Host(run_, "router") if router else None
        for host in self.hosts():
            host.batch("link set dev lo up")
            host.sysctl(SYSCTLS)
            if host.use_plain_tcp() != self.congestion_control:
                self._use_cubic_by_route()
        if router:
            self._connect_router(outside_mtu)
        for i in range(1 if router else 0, clients):
            self._connect_client(i, outside_mtu)
        self._connect_remote()

    def hosts(self):
        return [self.server, self.remote, *self.clients, *([self.router] if self.router else [])]

    @property
    def client(self):
        return self.clients[0]

    def client_address(self, i=0):
        return f"{_network(i)}.2"

    def server_address(self, i=0, family=4):
        """The address of the server that client i connects to."""
        if self.router and i == 0:
            return "192.168.190.1"
        return f"{_network(i)}.1" if family == 4 else f"fd00:{200 + i}::1"

    def _use_cubic_by_route(self):
        """A route may say cubic where the sysctl of a namespace may not."""
        known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
        if "cubic" in known:
            self.route_options = ["congctl", "cubic"]
        else:
            self.congestion_control = "reno"

    def add_address(self, host, device, address, prefix):
        """And what the route says that comes with it."""
        host.batch(f"address add {address}/{prefix} dev {device}")
        if self.route_options:
            network = ip_interface(f"{address}/{prefix}").network
            host.ip("route", "change", network, "dev", device, "proto", "kernel", "scope", "link",
                    "src", address, *self.route_options)

    def be_like_network_cards(self, on=True):
        """Sent batches are cut before the wire, and what arrives is put together by the kernel.

        Without it a veth hands superpackets and UDP_SEGMENT batches across as they are.
        """
        cut, join = ("off", "on") if on else ("on", "off")
        for host, device in self.link_ends:
            host.run("ethtool", "-K", device, "tso", cut, "tx-udp-segmentation", cut, "gro", join)

    def _link(self, left, left_device, right, right_device, mtu):
        run(["ip", "link", "add", "name", left_device, "netns", left.namespace, "type", "veth",
             "peer", "name", right_device, "netns", right.namespace])
        for host, device in ((left, left_device), (right, right_device)):
            host.batch(f"link set dev {device} mtu {mtu} up")
            self.link_ends.append((host, device))

    def _connect_client(self, i, mtu):
        device, net, net6 = f"out{i}", _network(i), f"fd00:{200 + i}:"
        self._link(self.clients[i], "out0", self.server, device, mtu)
        for host, name, number in ((self.clients[i], "out0", 2), (self.server, device, 1)):
            self.add_address(host, name, f"{net}.{number}", 24)
            host.batch(f"address add {net6}:{number}/64 dev {name} nodad")

    def _connect_router(self, mtu):
        self._link(self.client, "out0", self.router, "out0", 1500)
        self._link(self.router, "in0", self.server, "out0", mtu)
        for host, device, address in ((self.client, "out0", "192.168.200.2"),
                                      (self.router, "out0", "192.168.200.1"),
                                      (self.router, "in0", "192.168.190.2"),
                                      (self.server, "out0", "192.168.190.1")):
            self.add_address(host, device, address, 24)
        self.router.sysctl({"net.ipv4.ip_forward": "1"})
        self.client.ip("route", "add", "192.168.190.0/24", "via", "192.168.200.1",
                       *self.route_options)
        self.server.ip("route", "add", "192.168.200.0/24", "via", "192.168.190.2",
                       *self.route_options)

    def _connect_remote(self):
        self._link(self.server, "wan0", self.remote, "wan0", 1500)
        self.add_address(self.server, "wan0", SERVER_BACKEND, 16)
        self.add_address(self.remote, "wan0", REMOTE, 16)
        self.server.sysctl({"net.ipv4.ip_forward": "1"})
        self.server.nft(f"""
            table ip lab {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname "wan0" snat to {SERVER_BACKEND}
                }}
            }}""")
