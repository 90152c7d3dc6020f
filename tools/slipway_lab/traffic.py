# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between a client host and the remote host, and what it showed.

Nothing here knows of tunnels: it works over plain routing just as well.
"""

import hashlib
import itertools
import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from . import httpd, network
from .process import Failed, Process, run

HTTP_PORT = 80
_numbers = itertools.count(1)


def is_listening(process, port):
    """Does anybody listen on this TCP port where the process lives? Without connecting to it."""
    listening = re.compile(rf"^\s*\d+: \w+:{port:04X} \w+:0000 0A ", re.MULTILINE)
    tables = (Path(f"/proc/{process.pid}/net/{name}") for name in ("tcp", "tcp6"))
    return any(listening.search(table.read_text()) for table in tables)


class WebServer:
    """The remote host's web server."""

    def __init__(self, lab):
        self.process = Process(lab.run, f"httpd-{next(_numbers)}",
                               [sys.executable, httpd.__file__, network.REMOTE, HTTP_PORT],
                               lab.remote.namespace)
        self.process.wait_for(lambda: is_listening(self.process, HTTP_PORT), 10, "listening")


def ping(host, address=network.REMOTE, count=3, size=56, interval=0.2):
    """Round trip times of all answers in milliseconds; Failed if one is missing."""
    done = host.run("ping", "-n", "-W", 2, "-c", count, "-i", interval, "-s", size, address,
                    timeout=30)
    times = [float(t) for t in re.findall(r"time=([\d.]+) ms", done.stdout)]
    if len(times) != count:
        raise Failed(f"{len(times)} of {count} pings answered\n{done.stdout}")
    return times


def can_reach(host, address=network.REMOTE):
    return host.run("ping", "-n", "-W", 1, "-c", 1, address, check=False).returncode == 0


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
        self.process = Process(lab.run, f"download-{next(_numbers)}",
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
    path = run_.directory / f"upload-{next(_numbers)}"
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
        number = next(_numbers)
        port = 5201 + number % 1000
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
