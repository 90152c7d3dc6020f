# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that come and go, by the hundred or, with --cycles, by the ten thousand."""

import json
import os

import pytest

from slipway_lab import programs
from slipway_lab.process import run

GUESTS = 20
MODES = ("udp", "tcp")
# Memory that a server may have more of after many clients than after a tenth of them. The heap of
# twenty clients at a time comes and goes by some hundred KiB; one that leaks is at least 30.
RSS_SHARE = 1.05
RSS_SLACK_KIB = 512


def load(lab, *arguments, mode="udp", cycles=GUESTS, password=programs.PASSWORD, check=True):
    """The report of one run of the load generator on the client's host."""
    command = [programs.program("tools/loadgen"), "--json", "--quiet",
               "--server", f"{lab.server_address()}:{programs.PORT}", "--ca", lab.pki.ca,
               "--user", programs.USER, "--password", password, "--guests", GUESTS,
               "--cycles", cycles, *arguments, *(["--tcp"] if mode == "tcp" else [])]
    done = run(command, namespace=lab.client.namespace, timeout=60 + cycles / 20, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == (report["failed"] == 0), done.stderr
    assert not check or done.returncode == 0, report
    return report


def footprint(server):
    """Descriptors, KiB of memory, and inside addresses in use."""
    pid = server.process.pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        [rss] = [int(line.split()[1]) for line in status if line.startswith("VmRSS:")]
    return (len(os.listdir(f"/proc/{pid}/fd")), rss, server.metrics()["assigned_internal_ips"])


@pytest.mark.parametrize("mode", MODES)
def test_clients_that_come_and_go_leave_nothing_behind(lab, mode, pytestconfig):
    cycles = pytestconfig.getoption("cycles")
    server = programs.Server(lab, mode=mode, log_level="warn").wait_ready()
    load(lab, mode=mode, cycles=max(600, cycles // 10))
    server.wait_for_sessions(0)
    fds, rss, addresses = footprint(server)
    assert addresses == 0

    report = load(lab, mode=mode, cycles=cycles)
    assert report["begun"] == report["online"] == report["ended"] == cycles
    server.wait_for_sessions(0)
    fds_after, rss_after, addresses = footprint(server)
    print(f"{cycles} cycles over {mode}: {report['online_per_second']:.0f} per second, "
          f"descriptors {fds} -> {fds_after}, memory {rss} -> {rss_after} KiB")
    assert addresses == 0
    assert fds_after == fds
    assert rss_after <= rss * RSS_SHARE + RSS_SLACK_KIB
    metrics = server.metrics()
    assert metrics["conn_online"] == metrics["conn_client_closed"] == metrics["conn_closed"]


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_many_clients_are_answered_while_they_stay(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    report = load(lab, "--hold", 2, "--ping", programs.SERVER_INSIDE, "--interval", 0.1, mode=mode)
    assert report["pings"] > GUESTS * 4
    # the last one's answer may come when its guest has left
    assert report["pongs"] >= report["pings"] - GUESTS
    assert server.metrics()["inside_source_refused"] == 0
    server.wait_for_sessions(0)


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_refused_clients_leave_nothing_behind(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    before = footprint(server)[0]
    report = load(lab, mode=mode, password="wrong", check=False)
    assert report["failed"] == GUESTS and report["online"] == 0
    assert report["failures"] == {"the server refused our credentials": GUESTS}
    server.wait_for_sessions(0)
    fds, _, addresses = footprint(server)
    assert fds == before and addresses == 0


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_packets_of_clients_with_a_forged_source_go_nowhere(lab, mode):
    """No client does so by itself: sources are written over by the client, stock ones included."""
    server = programs.Server(lab, mode=mode).wait_ready()
    report = load(lab, "--hold", 1, "--ping", programs.SERVER_INSIDE, "--interval", 0.1,
                  "--forge", "10.125.0.99", mode=mode)
    assert report["pings"] > GUESTS and report["pongs"] == 0
    assert report["ended"] == GUESTS, "and nobody is thrown out for it"
    server.wait_for_sessions(0)
    metrics = server.metrics()
    assert metrics["inside_source_refused"] == metrics["plugin_dropped"] == report["pings"]
    assert metrics["tunnel_to_inside"] == 0
