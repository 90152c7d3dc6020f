# SPDX-License-Identifier: GPL-3.0-or-later
"""One window of bulk flows through a tunnel, with everything it cost.

Flows are begun, warm up, are looked at, go on for the length of the window while a ping runs beside
them, and are looked at again. What happens before and after the window does not count. A GB is 10^9
bytes of payload.
"""

import contextlib
import statistics
import time
from dataclasses import dataclass

from slipway_lab import traffic
from slipway_lab.process import Failed

WARM_UP_SECONDS = 0.4
PING_INTERVAL = 0.02


@dataclass(frozen=True)
class Load:
    """flows: of all clients together."""

    direction: str  # of the bulk data: down, up
    flows: int
    clients: int = 1

    def __str__(self):
        text = f"{self.direction} {self.flows} flow{'s' if self.flows > 1 else ''}"
        return text + (f", {self.clients} clients" if self.clients > 1 else "")


@dataclass
class Snapshot:
    flows: traffic.FlowSample
    server_cpu: float
    client_cpu: float
    calls: int


def take_snapshot(tunnel, flows, clients):
    server = tunnel.server
    return Snapshot(flows.sample(), server.cpu_seconds() if server else 0.0,
                    sum(client.cpu_seconds() for client in tunnel.clients[:clients]),
                    tunnel.calls() if tunnel.calls else 0)


def percentile(values, share):
    """Of a list that is not empty, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def jain(values):
    """1.0: all have the same; 1/n: one has it all."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def measure(lab, tunnel, load, seconds):
    """The figures of one window as a dictionary; None for what the system does not show."""
    tunnel.use(load.clients)
    hosts = lab.clients[:load.clients]
    with contextlib.ExitStack() as stack:
        flows = traffic.Flows(lab, hosts, load.flows // load.clients, load.direction == "down")
        stack.callback(flows.stop)
        flows.wait_flowing()
        time.sleep(WARM_UP_SECONDS)
        before = take_snapshot(tunnel, flows, load.clients)
        pings = traffic.Pings(lab, lab.client, max(1, round(seconds / PING_INTERVAL)),
                              PING_INTERVAL)
        stack.callback(pings.process.kill)
        time.sleep(seconds)
        after = take_snapshot(tunnel, flows, load.clients)
        times = pings.finish()
    return figures(tunnel, load, before, after, pings.count, times)


def figures(tunnel, load, before, after, pings, times):
    elapsed = after.flows.time - before.flows.time
    moved = [b - a for a, b in zip(before.flows.bytes, after.flows.bytes)]
    gigabytes = sum(moved) / 1e9
    if gigabytes <= 0:
        raise Failed("nothing arrived")

    def per_gigabyte(name):
        return (getattr(after, name) - getattr(before, name)) / gigabytes

    return {
        "seconds": elapsed,
        "gbits": gigabytes * 8 / elapsed,
        "server_cpu": per_gigabyte("server_cpu") if tunnel.server else None,
        "client_cpu": per_gigabyte("client_cpu") if tunnel.clients else None,
        "server_calls": per_gigabyte("calls") if tunnel.calls else None,
        "retransmits": after.flows.retransmits - before.flows.retransmits,
        "ping_p50": statistics.median(times) if times else None,
        "ping_p99": percentile(times, 0.99) if times else None,
        "pings": pings,
        "pings_lost": pings - len(times),
        "jain": jain(moved) if load.clients > 1 else None,
    }


def measure_paced(lab, tunnel, load, seconds):
    """One iperf3 run from its first byte on: for links that lose packets when a flow begins."""
    tunnel.use(load.clients)
    result = traffic.iperf3(lab, lab.client, seconds=seconds, reverse=load.direction == "down")
    return {"seconds": result.seconds, "gbits": result.gbits, "retransmits": result.retransmits}
