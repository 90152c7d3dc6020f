# SPDX-License-Identifier: GPL-3.0-or-later
"""What bulk flows do not show: single small packets, one at a time, many on the way, in a burst.

Offloads must not make them slower, and a queue that is short for superpackets must not drop them.
"""

import json

from slipway_lab import network, programs, traffic
from slipway_lab.process import Process

PORT = 5100
SECONDS = 0.4  # of each of the two windows of a measurement
WINDOW = 64  # packets on the way when the rate is looked for
BURST = 500  # packets at once, in either direction


class Answers:
    """Sends back what the remote host gets, until stop()."""

    def __init__(self, lab):
        self.program = programs.program("bench/bench-packets")
        self.process = Process(lab.run, f"bench-packets-{next(traffic.numbers)}",
                               [self.program, "answer", address()],
                               lab.remote.namespace)
        self.process.wait_for(lambda: is_bound(lab), 10, "its port")

    def ask(self, host, mode, *options):
        done = host.run(self.program, mode, address(), *options, timeout=30)
        return json.loads(done.stdout)

    def stop(self):
        self.process.kill()


def address():
    return f"{network.REMOTE}:{PORT}"


def is_bound(lab):
    return lab.remote.run("ss", "-uHanO", "sport", "=", PORT).stdout.strip() != ""


def measure(lab, tunnel, load, _seconds):
    """The figures of one client at rest, under small packets, and in bursts."""
    tunnel.use(1)
    answers = Answers(lab)
    try:
        idle = answers.ask(lab.client, "ask", "--seconds", SECONDS)
        busy = answers.ask(lab.client, "ask", "--seconds", SECONDS, "--window", WINDOW)
        up = answers.ask(lab.client, "burst", "--up", BURST)
        down = answers.ask(lab.client, "burst", "--down", BURST)
    finally:
        answers.stop()
    return {"idle_us": idle["p50_us"], "round_trips": busy["round_trips"],
            "lost": idle["lost"] + busy["lost"],
            "burst_lost": sum(b["wanted"] - b["answers"] for b in (up, down))}
