# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss, reordering, duplication and delay on the outside path, by seed."""

import pytest

from slipway_lab import programs, traffic
from slipway_lab.relay import Relay

MEGABYTE = 1_000_000


def tunnel_through(lab, *impairment, **options):
    server = programs.Server(lab, enable_pqc=True).wait_ready()
    relay = Relay(lab, *impairment)
    client = programs.Client(lab, server=relay.address, route_mode="noexec", **options)
    client.wait_online(timeout=40)
    client.route_backend()
    return server, relay, client


@pytest.mark.asan
@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("impairment", (
    ("--loss", 20), ("--reorder", 50), ("--duplicate", 50),
    ("--loss", 10, "--reorder", 20, "--duplicate", 20, "--delay", 20, "--jitter", 10),
), ids=("loss", "reorder", "duplicate", "all"))
def test_handshake(router_lab, impairment, seed):
    """A fragmented post-quantum hello, both ways of it, and the login behind it."""
    server, relay, client = tunnel_through(router_lab, "--seed", seed, *impairment)
    assert len(server.online()) == 1
    counts = relay.finish()
    assert sum(counts["to_server"][what] for what in ("lost", "held", "duplicated")) > 0
    client.kill()  # its goodbye could be lost


@pytest.mark.parametrize("loss", (0, 5))
def test_handshake_over_a_satellite(router_lab, loss):
    """Every message is repeated several times before the first answer is back."""
    server, _, client = tunnel_through(router_lab, "--seed", 3, "--delay", 300, "--loss", loss)
    assert len(server.online()) == 1
    answers = traffic.Pings(router_lab, router_lab.client, count=10, interval=0.1).finish()
    assert answers and min(answers) > 600
    assert client.state() == "Online"
    client.kill()  # its goodbye could be lost


@pytest.mark.asan
@pytest.mark.parametrize("impairment, size", (
    (("--loss", 1), 4 * MEGABYTE),
    (("--reorder", 5, "--reorder-delay", 2), 8 * MEGABYTE),
    (("--duplicate", 20), 8 * MEGABYTE),
    (("--loss", 0.5, "--reorder", 5, "--duplicate", 10, "--delay", 2), 4 * MEGABYTE),
), ids=("loss", "reorder", "duplicate", "all"))
def test_data(router_lab, impairment, size):
    server, relay, client = tunnel_through(router_lab, "--seed", 7, *impairment)
    traffic.download(router_lab.client, size)
    traffic.upload(router_lab.run, router_lab.client, size // 4)
    assert client.state() == "Online"
    assert len(server.online()) == 1


def test_duplicates_are_not_delivered_twice(router_lab):
    """Every datagram comes twice, no ping is answered twice: the replay window of DTLS."""
    tunnel_through(router_lab, "--duplicate", 100)
    done = router_lab.client.run("ping", "-n", "-c", 20, "-i", 0.05, "-W", 2, "10.0.0.42")
    assert "20 received" in done.stdout
    assert "DUP" not in done.stdout
