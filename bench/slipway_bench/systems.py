# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. A System knows how to bring up a Tunnel between client hosts and the server.

Several tunnels stand side by side in the same hosts: each has a slot, a number from which its port,
device names and addresses follow. Which one carries the traffic is a matter of the client's route
(Tunnel.use), so that runs of different systems can follow each other within seconds. The server
forwards and translates for all of them alike.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
from pathlib import Path

from slipway_lab import network, pki, programs, traffic
from slipway_lab.process import Failed, Process, run, wait_until

MTU = 1350  # of the devices that the bench sets up itself, as Slipway's own
READY_SECONDS = 30
FIRST_PORT = 27700

# Options of the server and of the client for each lane.
LANES = {
    "Expresslane": ({"mode": "udp", "enable_expresslane": True},
                    {"mode": "udp", "enable_expresslane": True}),
    "DTLS/AES": ({"mode": "udp"}, {"mode": "udp", "cipher": "aes256"}),
    "DTLS/ChaCha": ({"mode": "udp"}, {"mode": "udp", "cipher": "chacha20"}),
    "TCP": ({"mode": "tcp"}, {"mode": "tcp"}),
}


class Tunnel:
    """A system that is up between some clients and the server."""

    def __init__(self, lab, device, gateway=None):
        """device: of each client; gateway: for a device that needs one."""
        self.lab, self.device, self.gateway = lab, device, gateway
        self.server = None  # Process; None: the kernel does it all
        self.clients = []  # Process of each client
        self.calls = None  # function: system calls the server has made so far; None: not known
        self._stack = contextlib.ExitStack()

    def own(self, process):
        """Ends the process with the tunnel."""
        self._stack.callback(end, process)
        return process

    def remove_device(self, host):
        """Removes the device from the host with the tunnel; for one that outlives its program."""
        self._stack.callback(host.ip, "link", "del", "dev", self.device, check=False)

    def use(self, clients):
        """The first so many clients reach the remote host through this tunnel from now on."""
        via = ["via", self.gateway] if self.gateway else []
        for host in self.lab.clients[:clients]:
            host.ip("route", "replace", network.BACKEND_NETWORK, *via, "dev", self.device,
                    *self.lab.route_options)

    def wait_ready(self, clients):
        """Routes the clients through it and waits until each of them reaches the remote host."""
        self.use(clients)
        for host in self.lab.clients[:clients]:
            wait_until(lambda h=host: traffic.can_reach(h), READY_SECONDS,
                       f"{host.role} reaches the remote host through {self.device}")

    def stop(self):
        self._stack.close()


def end(process):
    """SIGTERM, and if that does not help SIGKILL: a rival's manners are not the bench's matter."""
    try:
        process.stop()
    except Failed:
        pass


class System:
    """lane, offload: of Slipway's, for the tables; None elsewhere."""

    lane = offload = None
    most_clients = 1

    def __init__(self, name):
        self.name = name

    def missing(self):
        """Why it cannot be measured here, or None."""
        return None

    def version(self):
        return None

    def start(self, lab, slot, clients):
        """A Tunnel that carries traffic of so many clients."""
        tunnel = Tunnel(lab, f"bench{slot}")
        try:
            self.bring_up(lab, tunnel, slot, clients)
            tunnel.wait_ready(clients)
        except BaseException:
            tunnel.stop()
            raise
        return tunnel

    def bring_up(self, lab, tunnel, slot, clients):
        raise NotImplementedError


def first_line(*argv):
    """Of what a program says of its version; None if it does not know the option."""
    done = run(argv, check=False)
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if lines and done.returncode in (0, 1) else None


def set_up_device(host, device, address, process, mtu=None):
    """Address and state of a TUN device that a program has made, once it is there."""
    process.wait_for(lambda: host.has_device(device), READY_SECONDS, f"device {device}")
    host.batch(f"address add {address}/24 dev {device}",
               f"link set dev {device} {f'mtu {mtu} ' if mtu else ''}up")


class NoTunnel(System):
    """Forwarding by the server's kernel alone."""

    def __init__(self):
        super().__init__("no tunnel")

    def bring_up(self, lab, tunnel, slot, clients):
        tunnel.device, tunnel.gateway = "out0", lab.server_address()


class Limit(System):
    """bench/limit.c at both ends."""

    def __init__(self):
        super().__init__("limit")

    def missing(self):
        path = programs.build_directory() / "bench/bench-limit"
        return None if path.is_file() else f"{path} is not there (it needs intel-ipsec-mb)"

    def bring_up(self, lab, tunnel, slot, clients):
        ends = ((lab.server, lab.server_address(), lab.client_address()),
                (lab.client, lab.client_address(), lab.server_address()))
        device, started = tunnel.device, []
        for number, (host, local, peer) in enumerate(ends):
            process = Process(lab.run, f"limit-{next(traffic.numbers)}",
                              [programs.program("bench/bench-limit"), device, local, peer,
                               FIRST_PORT + slot], host.namespace)
            started.append(tunnel.own(process))
            set_up_device(host, device, f"10.{110 + slot}.0.{1 + number}", process, MTU)
        tunnel.server, tunnel.clients = started[0], started[1:]
        tunnel.calls = lambda: limit_calls(tunnel.server)


# What bench-limit asks the kernel for.
LIMIT_CALLS = ("polls", "tun_reads", "tun_reads_blocked", "tun_writes", "sends", "receives",
               "receives_blocked")


def limit_calls(process):
    """Makes bench-limit print its counters and adds its system calls up."""
    lines = len(process.log().splitlines())
    process.signal(signal.SIGUSR1)
    process.wait_for(lambda: len(process.log().splitlines()) > lines
                     and process.log().endswith("\n"), 5, "its counters")
    counters = json.loads(process.log().splitlines()[-1])
    return sum(counters[name] for name in LIMIT_CALLS)


class Lightway(System):
    """Slipway's programs, or others with the same options at one end or both."""

    most_clients = 64

    def __init__(self, name, lane, offload, server=None, client=None):
        """server, client: path of another Lightway program for that end."""
        super().__init__(name)
        self.lane, self.offload = lane, offload
        self.other_server, self.other_client = server, client
        if server or client:
            self.most_clients = 1

    def missing(self):
        for path in (self.other_server, self.other_client):
            if path and not os.access(path, os.X_OK):
                return f"{path} is no program"
        return None

    def version(self):
        for path in (self.other_server, self.other_client):
            if path:
                return first_line(path, "--version")
        return first_line(programs.program("slipway-server"), "--version")

    def _offload(self, other):
        """Others keep their own default: their option may not exist, or want special devices."""
        return {} if other else {"enable_tun_offload": self.offload}

    def _server(self, lab, tunnel, slot, options):
        other, address = self.other_server, f"10.{110 + slot}.0.1"
        pool = f"10.{110 + slot}.0.0/16"
        if other:
            lab.server.batch(f"tuntap add mode tun name {tunnel.device}",
                             f"link set dev {tunnel.device} mtu {MTU} up",
                             f"address add {address}/32 dev {tunnel.device}",
                             f"route add {pool} dev {tunnel.device}")
            options = {**options, "control_socket": None}
            tunnel.remove_device(lab.server)
        server = programs.Server(lab, binary=other, tun_name=tunnel.device, tun_ip=address,
                                 bind_address=f"0.0.0.0:{FIRST_PORT + slot}", ip_pool=pool,
                                 **options, **self._offload(other))
        tunnel.server = tunnel.own(server.process)
        if other:
            server.process.wait_for(lambda: listens(server.process, FIRST_PORT + slot),
                                    READY_SECONDS, "listening")
        else:
            server.wait_ready()
            tunnel.calls = server.system_calls

    def _client(self, lab, tunnel, slot, index, options):
        other, inside = self.other_client, f"100.64.{slot}"
        if other:
            options = {**options, "control_socket": None, "state_file": None}
        client = programs.Client(lab, index=index, binary=other,
                                 server=f"{lab.server_address(index)}:{FIRST_PORT + slot}",
                                 user=pki.BCRYPT_USER, tun_name=tunnel.device,
                                 route_mode="noexec", tun_local_ip=f"{inside}.6",
                                 tun_peer_ip=f"{inside}.5", tun_dns_ip=f"{inside}.1",
                                 **options, **self._offload(other))
        tunnel.clients.append(tunnel.own(client.process))
        return client

    def bring_up(self, lab, tunnel, slot, clients):
        server_options, client_options = LANES[self.lane]
        self._server(lab, tunnel, slot, server_options)
        started = [self._client(lab, tunnel, slot, i, client_options) for i in range(clients)]
        for client in started:
            if self.other_client:
                client.process.wait_for(lambda c=client: c.host.has_device(tunnel.device),
                                        READY_SECONDS, f"device {tunnel.device}")
            else:
                client.wait_online(READY_SECONDS)


def listens(process, port):
    """Has anybody this UDP port where the process lives, or listens on this TCP port?"""
    table = Path(f"/proc/{process.pid}/net/udp").read_text()
    return f":{port:04X} 00000000:0000" in table or traffic.is_listening(process, port)


class WireGuard(System):
    """wireguard-go, set up through its own socket: nothing else of WireGuard's is needed."""

    def __init__(self):
        super().__init__("wireguard-go")

    def missing(self):
        return None if shutil.which("wireguard-go") else "not installed (Debian: wireguard-go)"

    def version(self):
        return first_line("wireguard-go", "--version")

    def bring_up(self, lab, tunnel, slot, clients):
        keys = [x25519_pair(lab.run.directory, f"wireguard-{next(traffic.numbers)}")
                for _ in range(2)]
        port = FIRST_PORT + slot
        endpoint = f"endpoint={lab.server_address()}:{port}\n"
        ends = ((lab.server, "s", f"listen_port={port}\n", ""),
                (lab.client, "c", "", endpoint + "persistent_keepalive_interval=25\n"))
        started = []
        for number, (host, letter, own, peer) in enumerate(ends):
            # Its control sockets are files that all hosts share: names of the run's own.
            device = f"{lab.run.id}{letter}{slot}"
            process = Process(lab.run, f"wireguard-{next(traffic.numbers)}",
                              ["wireguard-go", "-f", device], host.namespace)
            started.append(tunnel.own(process))
            path = f"/var/run/wireguard/{device}.sock"
            process.wait_for(lambda p=path: os.path.exists(p), READY_SECONDS, "its socket")
            allowed = "0.0.0.0/0" if number == 1 else f"10.{110 + slot}.0.2/32"
            configure_wireguard(path, f"private_key={keys[number][0]}\n{own}"
                                      f"public_key={keys[1 - number][1]}\n{peer}"
                                      f"allowed_ip={allowed}\n")
            set_up_device(host, device, f"10.{110 + slot}.0.{1 + number}", process)
            tunnel.device = device  # that of the client, in the end
        tunnel.server, tunnel.clients = started[0], started[1:]


def x25519_pair(directory, name):
    """(private, public) in hexadecimal."""
    private, public = directory / f"{name}.key", directory / f"{name}.pub"
    run(["openssl", "genpkey", "-algorithm", "X25519", "-outform", "DER", "-out", private])
    run(["openssl", "pkey", "-inform", "DER", "-in", private, "-pubout", "-outform", "DER",
         "-out", public])
    return private.read_bytes()[-32:].hex(), public.read_bytes()[-32:].hex()


def configure_wireguard(path, settings):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(f"set=1\n{settings}\n".encode())
        answer = connection.recv(1000).decode()
    if "errno=0" not in answer:
        raise Failed(f"wireguard-go refused its settings: {answer!r}")


class OpenVpn(System):
    """OpenVPN over UDP, AES-256-GCM, in userspace, peer to peer."""

    def __init__(self):
        super().__init__("OpenVPN")

    def missing(self):
        return None if shutil.which("openvpn") else "not installed (Debian: openvpn)"

    def version(self):
        return first_line("openvpn", "--version")

    def bring_up(self, lab, tunnel, slot, clients):
        certificate, key = lab.pki.server
        port, net = FIRST_PORT + slot, f"10.{110 + slot}.0"
        common = ["openvpn", "--dev-type", "tun", "--dev", tunnel.device, "--disable-dco",
                  "--proto", "udp4", "--data-ciphers", "AES-256-GCM", "--cipher", "AES-256-GCM",
                  "--ca", lab.pki.ca, "--cert", certificate, "--key", key, "--verb", 1]
        server = [*common, "--tls-server", "--dh", "none", "--lport", port,
                  "--ifconfig", f"{net}.1", f"{net}.2"]
        client = [*common, "--tls-client", "--nobind", "--remote", lab.server_address(), port,
                  "--ifconfig", f"{net}.2", f"{net}.1"]
        for host, argv in ((lab.server, server), (lab.client, client)):
            process = tunnel.own(Process(lab.run, f"openvpn-{next(traffic.numbers)}", argv,
                                         host.namespace))
            process.wait_for(lambda h=host: h.has_device(tunnel.device), READY_SECONDS,
                             f"device {tunnel.device}")
            if tunnel.server is None:
                tunnel.server = process
            else:
                tunnel.clients.append(process)


def slipway(lane, offload=True):
    return Lightway(f"Slipway, {lane}" + ("" if offload else ", offloads off"), lane, offload)


def rivals():
    """Other programs, among them those that the environment names."""
    found = [WireGuard(), OpenVpn()]
    server = os.environ.get("BENCH_STOCK_SERVER")
    client = os.environ.get("BENCH_STOCK_CLIENT")
    if server and client:
        found.append(Lightway("stock Lightway", "Expresslane", None, server, client))
    if client:
        found.append(Lightway("Slipway server, stock client", "Expresslane", True, None, client))
    if server:
        found.append(Lightway("stock server, Slipway client", "Expresslane", True, server, None))
    return found
