# SPDX-License-Identifier: GPL-3.0-or-later
"""slipway-server and slipway-client in the lab.

Both run from YAML files, as a person would run them. What they do is known from their control
sockets: conditions are waited for there, counters are read there.

SLIPWAY_BUILD names the directory with the programs; without it, it is build/ of this checkout.
"""

import itertools
import json
import os
import shlex
import socket
from pathlib import Path

from . import network
from .pki import PASSWORD, SERVER_NAME, USER
from .process import Failed, Process, run, wait_until

PORT = 27690
TUN = "slipway0"
POOL = "10.125.0.0/16"
SERVER_INSIDE = "10.125.0.1"
# Every call on the data path, by the program's own count.
SYSTEM_CALLS = ("tun_reads", "tun_reads_blocked", "tun_writes", "udp_recv_calls", "udp_send_calls",
                "tcp_recv_calls", "tcp_send_calls", "worker_wakeups")


class Exit:
    """What a client exits with (slipway-client(8), EXIT STATUS)."""

    STOPPED = 0
    SETUP = 1
    USAGE = 2
    LOGIN = 3
    UNREACHABLE = 4
    NAME = 5
    CERTIFICATE = 6
    SILENT = 7
    GOODBYE = 8
    HOST = 9
    CONNECTION = 10


_numbers = itertools.count(1)


def build_directory():
    return Path(os.environ.get("SLIPWAY_BUILD") or Path(__file__).parents[2] / "build").absolute()


def program(name):
    """The path of a built program: slipway-server, tools/impair."""
    path = build_directory() / name
    if not path.is_file():
        raise Failed(f"{path} is not there: run ./slipway build, or set SLIPWAY_BUILD")
    return path


def write_yaml(path, options):
    """One "key: value" line for each option; quoted text, since a password may look like a number.
    Lists and maps as JSON, which YAML contains."""
    lines = []
    for key, value in options.items():
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int):
            text = str(value)
        elif isinstance(value, (list, dict)):
            text = json.dumps(value)
        else:
            text = json.dumps(str(value))
        lines.append(f"{key}: {text}\n")
    path.touch(mode=0o600)
    path.write_text("".join(lines))


def ask(path, request, timeout=5):
    """One request to a control socket; the answer as text."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(request.encode() + b"\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()


class Program:
    """What server and client have in common."""

    binary = None
    started = []  # every one of this interpreter, in order

    def __init__(self, lab, host, name, options, arguments=(), environment=None, launcher=(),
                 binary=None, text=None, directory=None):
        """options: of the YAML file; one with value None is left out. launcher: a command that
        becomes the program, as setpriv does.

        binary: another program with the same options. One without a control socket needs
        control_socket=None, a client also state_file=None. text: the YAML file as it is; options
        then only say what stands in it. directory: to work in.
        """
        self.lab, self.host = lab, host
        self.name = f"{name}-{next(_numbers)}"
        self.control = lab.run.directory / f"{self.name}.ctl"
        self.config = lab.run.directory / f"{self.name}.yaml"
        self.options = {"control_socket": self.control, **options}
        self.options = {k: v for k, v in self.options.items() if v is not None}
        if text is None:
            write_yaml(self.config, self.options)
        else:
            self.config.touch(mode=0o600)
            self.config.write_text(text)
            if binary is None:
                arguments = ("--control-socket", self.control, *arguments)
        self.process = Process(lab.run, self.name,
                               [*launcher, binary or program(self.binary), "--config-file", self.config,
                                *arguments],
                               host.namespace, {"NO_COLOR": "1", **(environment or {})},
                               directory)
        Program.started.append(self)

    @property
    def tun(self):
        return self.options["tun_name"]

    def status(self):
        return json.loads(ask(self.control, "status json"))

    def metrics(self):
        return json.loads(ask(self.control, "metrics json"))

    def try_status(self):
        """The status, or None while (or because) nobody answers."""
        try:
            return self.status()
        except (OSError, ValueError):
            return None

    def system_calls(self):
        """How many it has made on the data path."""
        metrics = self.metrics()
        return sum(metrics[name] for name in SYSTEM_CALLS)

    def wait_for_metric(self, name, value=1, timeout=10):
        self.process.wait_for(lambda: self.metrics().get(name, 0) >= value, timeout,
                              f"{name} at {value} or more")

    def slipwayctl(self, *arguments, check=True):
        return run([program("slipwayctl"), *arguments, "--socket", self.control],
                   namespace=self.host.namespace, check=check)

    def is_running(self):
        return self.process.is_running()

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.kill()


class Server(Program):
    binary = "slipway-server"

    def __init__(self, lab, arguments=(), environment=None, launcher=(), binary=None, **options):
        certificate, key = lab.pki.server
        super().__init__(lab, lab.server, "server", {
            "mode": "udp",
            "bind_address": f"0.0.0.0:{PORT}",
            "server_cert": certificate,
            "server_key": key,
            "user_db": lab.pki.users,
            "tun_name": TUN,
            "ip_pool": POOL,
            "tun_ip": SERVER_INSIDE,
            **options,
        }, arguments, environment, launcher, binary)

    def wait_ready(self, timeout=10):
        self.process.wait_for(self.try_status, timeout, "answering on its control socket")
        return self

    def sessions(self):
        """The connections it knows, as its status tells them."""
        return self.status()["sessions"]

    def online(self):
        return [s for s in self.sessions() if s["state"] == "Online"]

    def wait_for_sessions(self, count, timeout=10):
        """Waits until exactly so many sessions are in its table."""
        self.process.wait_for(lambda: len(self.sessions()) == count, timeout, f"{count} sessions")


class Client(Program):
    binary = "slipway-client"

    def __init__(self, lab, index=0, server=None, arguments=(), environment=None, launcher=(),
                 binary=None, **options):
        """index: of the client host. server: "address:port" if not the lab's server."""
        super().__init__(lab, lab.clients[index], "client", {
            "server": server or f"{lab.server_address(index)}:{PORT}",
            "mode": "udp",
            "server_dn": SERVER_NAME,
            "ca_cert": lab.pki.ca,
            "user": USER,
            "password": PASSWORD,
            "tun_name": TUN,
            "dns_config_mode": "noexec",
            "state_file": lab.run.directory / f"{lab.clients[index].role}-%i.state",
            **options,
        }, arguments, environment, launcher, binary)

    def state(self):
        status = self.try_status()
        return status and status["state"]

    def wait_online(self, timeout=10):
        self.process.wait_for(lambda: self.state() == "Online", timeout, "being Online")
        return self

    def route_backend(self, *attributes):
        """The backend through the tunnel, for a client with route_mode noexec."""
        self.host.ip("route", "replace", network.BACKEND_NETWORK, "dev", self.tun, *attributes)


def with_hosts(path):
    """A launcher for a program that finds this file in the place of /etc/hosts."""
    return ("unshare", "--mount", "sh", "-c",
            f'mount --bind {shlex.quote(str(path))} /etc/hosts && exec "$@"', "sh")


def tunnel(lab, server=None, client=None, index=0):
    """A server and a client that is Online. server, client: options beyond the usual ones."""
    server = Server(lab, **(server or {})).wait_ready()
    mode = server.options["mode"]
    return server, Client(lab, index=index, **{"mode": mode, **(client or {})}).wait_online()


def wait_gone(lab, host, device, timeout=5):
    """A device that belongs to a process vanishes a moment after it."""
    wait_until(lambda: not host.has_device(device), timeout, f"{device} of {host.role} gone")
