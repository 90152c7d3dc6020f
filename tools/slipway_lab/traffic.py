# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between a client host and the remote host, and what it showed.

Nothing here knows of tunnels: it works over plain routing just as well.
"""

import hashlib
import itertools
import json
import re
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import httpd, network
from .process import Failed, Process, run, wait_until

HTTP_PORT = 80
FIRST_IPERF_PORT = 5201
FLOWING_BYTES = 50_000  # what a flow has moved when it counts as begun; no control connection does
numbers = itertools.count(1)  # for names that must be new in the run


def is_listening(process, port):
    """Does anybody listen on this TCP port where the process lives? Without connecting to it."""
    listening = re.compile(rf"^\s*\d+: \w+:{port:04X} \w+:0000 0A ", re.MULTILINE)
    tables = (Path(f"/proc/{process.pid}/net/{name}") for name in ("tcp", "tcp6"))
    return any(listening.search(table.read_text()) for table in tables)


class WebServer:
    """The remote host's web server."""

    def __init__(self, lab):
        self.process = Process(lab.run, f"httpd-{next(numbers)}",
                               [sys.executable, httpd.__file__, network.REMOTE, HTTP_PORT],
                               lab.remote.namespace)
        self.process.wait_for(lambda: is_listening(self.process, HTTP_PORT), 10, "listening")


def ping(host, address=network.REMOTE, count=3, size=56, interval=0.2):
    """Round trip times of all answers in milliseconds; Failed if one is missing."""
    done = host.run("ping", "-n", "-W", 2, "-c", count, "-i", interval, "-s", size, address,
                    timeout=30)
    times = _ping_times(done.stdout)
    if len(times) != count:
        raise Failed(f"{len(times)} of {count} pings answered\n{done.stdout}")
    return times


def _ping_times(output):
    return [float(t) for t in re.findall(r"time=([\d.]+) ms", output)]


class Pings:
    """Pings beside other things, at a fixed pace."""

    def __init__(self, lab, host, count, interval, address=network.REMOTE):
        self.count = count
        self.process = Process(lab.run, f"ping-{next(numbers)}",
                               ["ping", "-n", "-W", 2, "-c", count, "-i", interval, address],
                               host.namespace)

    def finish(self, timeout=30):
        """Round trip times of those that were answered, in milliseconds, in order of sending."""
        self.process.wait_for_end(timeout)
        return _ping_times(self.process.log())


def can_reach(host, address=network.REMOTE, size=56):
    return host.run("ping", "-n", "-W", 1, "-c", 1, "-s", size, address,
                    check=False).returncode == 0


def whoami(host, timeout=10):
    """The address under which the remote host's web server sees this host."""
    done = host.run("curl", "-sS", "--fail", "--max-time", timeout, f"http://{network.REMOTE}/",
                    timeout=timeout + 5)
    return json.loads(done.stdout)["ip"]


def expected_sha256(size, seed):
    return hashlib.sha256(httpd.payload(size, seed)).hexdigest()


def download_argv(size, seed, timeout):
    """A shell command that prints the SHA-256 of a download."""
    url = f"http://{network.REMOTE}/data/{size}/{seed}"
    curl = shlex.join(["curl", "-sS", "--fail", "--max-time", str(timeout), url])
    return ["bash", "-c", f"set -o pipefail; {curl} | sha256sum"]


def download(host, size, seed=1, timeout=60):
    """Downloads with curl and compares the hash. Failed if it is not what the web server sent."""
    done = host.run(*download_argv(size, seed, timeout), timeout=timeout + 5)
    check_sha256(done.stdout, size, seed)


def check_sha256(output, size, seed):
    got, wanted = output.split()[0], expected_sha256(size, seed)
    if got != wanted:
        raise Failed(f"download of {size} bytes, seed {seed}: SHA-256 {got}, not {wanted}")


class Download:
    """A download that runs beside other things; finish() waits for it and compares the hash."""

    def __init__(self, lab, host, size, seed=1, timeout=60):
        self.size, self.seed, self.timeout = size, seed, timeout
        self.process = Process(lab.run, f"download-{next(numbers)}",
                               download_argv(size, seed, timeout), host.namespace)

    def is_running(self):
        return self.process.is_running()

    def finish(self):
        status = self.process.wait_for_end(self.timeout + 5)
        if status != 0:
            raise Failed(f"download ended with status {status}\n{self.process.log_end()}")
        check_sha256(self.process.log(), self.size, self.seed)


def upload(run_, host, size, seed=1, timeout=60):
    """Uploads with curl; Failed if the web server's hash is another."""
    path = run_.directory / f"upload-{next(numbers)}"
    path.write_bytes(httpd.payload(size, seed))
    try:
        done = host.run("curl", "-sS", "--fail", "--max-time", timeout, "-T", path,
                        f"http://{network.REMOTE}/", timeout=timeout + 5)
    finally:
        path.unlink()
    check_sha256(json.loads(done.stdout)["sha256"], size, seed)


@dataclass
class Iperf:
    """What one iperf3 run showed."""

    bits_per_second: float
    bytes: int
    retransmits: int  # of the sending TCP, 0 for UDP
    lost_percent: float  # UDP only
    seconds: float

    @property
    def gbits(self):
        return self.bits_per_second / 1e9


def iperf3(lab, host, *arguments, seconds=2, reverse=False, udp=False, bitrate=None, mss=None,
           streams=1, tries=1):
    """One iperf3 run from a client host to the remote host. The server takes just this one."""
    client = ["iperf3", "-J", "-c", network.REMOTE, "-t", seconds, "-P", streams,
              "--connect-timeout", 5000]
    client += ["-R"] * reverse + ["-u"] * udp
    client += ["-b", bitrate] if bitrate else []
    client += ["-M", mss] if mss else []
    failed = None
    for _ in range(tries):
        number = next(numbers)
        port = FIRST_IPERF_PORT + number % 1000
        server = Process(lab.run, f"iperf3-{number}", ["iperf3", "-s", "-1", "-p", port],
                         lab.remote.namespace)
        try:
            server.wait_for(lambda: is_listening(server, port), 5, "listening")
            done = run([*client, "-p", port, *arguments], namespace=host.namespace,
                       timeout=seconds + 20, check=False)
            return _iperf_result(done, udp)
        except Failed as error:
            failed = error
        finally:
            server.kill()
    raise failed


def _iperf_result(done, udp):
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise Failed(f"iperf3: status {done.returncode}: {done.stderr or done.stdout}") from None
    if done.returncode != 0 or "error" in report:
        raise Failed(f"iperf3: {report.get('error', done.stderr)}")
    end = report["end"]
    if udp:
        total = end.get("sum_received") or end["sum"]
        return Iperf(total["bits_per_second"], total["bytes"], 0, end["sum"]["lost_percent"],
                     total["seconds"])
    received = end["sum_received"]
    return Iperf(received["bits_per_second"], received["bytes"],
                 end["sum_sent"].get("retransmits", 0), 0.0, received["seconds"])


@dataclass
class FlowSample:
    """What flows had done at one moment."""

    time: float
    bytes: list  # of each host's flows: payload that has arrived
    retransmits: int  # of the hosts that send, by everything in them


class Flows:
    """Bulk TCP flows between client hosts and the remote host, all at once, looked at from outside.

    They last until stop(). What happens between two samples is known exactly, however long flows
    take to begin. The figures are the kernel's: payload that was acknowledged or received.
    """

    def __init__(self, lab, hosts, streams=1, reverse=False, bitrate=None):
        """streams: flows per host. reverse: the remote host sends. bitrate: of each flow at most,
        as iperf3 reads it."""
        self.lab, self.streams, self.reverse = lab, streams, reverse
        self.pace = ["-b", bitrate] if bitrate else []
        self.ports = [FIRST_IPERF_PORT + next(numbers) % 1000 for _ in hosts]
        self.servers, self.clients = [], []
        try:
            self._start(hosts)
        except BaseException:
            self.stop()
            raise

    def _start(self, hosts):
        for port in self.ports:
            self.servers.append(Process(self.lab.run, f"iperf3-server-{next(numbers)}",
                                        ["iperf3", "-s", "-1", "-i", 0, "-p", port],
                                        self.lab.remote.namespace))
        for server, port in zip(self.servers, self.ports):
            server.wait_for(lambda s=server, p=port: is_listening(s, p), 10, "listening")
        for host, port in zip(hosts, self.ports):
            self.clients.append(Process(self.lab.run, f"iperf3-client-{next(numbers)}",
                                        ["iperf3", "-c", network.REMOTE, "-p", port, "-t", 3600,
                                         "-i", 0, "-P", self.streams, "--connect-timeout", 5000,
                                         *["-R"] * self.reverse, *self.pace], host.namespace))

    def _sockets(self):
        """[(index of the host, bytes of payload moved)] of all established connections."""
        field = re.compile(rf"\b{'bytes_acked' if self.reverse else 'bytes_received'}:(\d+)")
        done = self.lab.remote.run("ss", "-tinOH", "state", "established")
        found = []
        for line in done.stdout.splitlines():
            port, moved = re.search(r":(\d+)\s", line), field.search(line)
            if port and int(port[1]) in self.ports:
                found.append((self.ports.index(int(port[1])), int(moved[1]) if moved else 0))
        return found

    def wait_flowing(self, timeout=20):
        """Waits until every flow moves data."""
        wanted = len(self.clients) * self.streams

        def flowing():
            for process in self.clients:
                if not process.is_running():
                    raise Failed(f"{process.name} ended before its time\n{process.log_end()}")
            return sum(moved > FLOWING_BYTES for _, moved in self._sockets()) >= wanted

        wait_until(flowing, timeout, f"{wanted} flows")

    def sample(self):
        moved = [0] * len(self.ports)
        now = time.monotonic()
        for index, count in self._sockets():
            moved[index] += count
        senders = self.servers[:1] if self.reverse else self.clients
        return FlowSample(now, moved, sum(_retransmitted(s.pid) for s in senders))

    def stop(self):
        for process in self.clients + self.servers:
            process.signal(signal.SIGKILL)
        for process in self.clients + self.servers:
            process.kill()


def _retransmitted(pid):
    """Segments that the TCP of this process's namespace has sent again."""
    names, values = [line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
                     if line.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])
