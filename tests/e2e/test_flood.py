# SPDX-License-Identifier: GPL-3.0-or-later
"""Random, malformed, forged and replayed datagrams at a server that has work to do."""

import json
import os
import re
import sys

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import Process
from slipway_lab.relay import Relay

MEGABYTE = 1_000_000


def peer_port(session):
    return int(re.fullmatch(r".*:(\d+)", session["peer"])[1])


def record_a_client(lab, path):
    """What a client of this server sends from hello to goodbye, for the flood to work from."""
    relay = Relay(lab, "--record", path)
    client = programs.Client(lab, server=relay.address, route_mode="noexec").wait_online()
    client.route_backend()
    traffic.ping(lab.client)
    traffic.upload(lab.run, lab.client, 100_000)
    assert client.stop() == 0
    relay.finish()


@pytest.mark.asan
def test_transfers_are_unharmed_by_a_flood(router_lab, pytestconfig):
    """From the addresses of strangers, and from the very address of the client that downloads.

    The client's port is real: what carries it reaches the live session, replayed records included.
    """
    lab, count = router_lab, pytestconfig.getoption("flood")
    server = programs.Server(lab).wait_ready()
    corpus = lab.run.directory / "client.record"
    record_a_client(lab, corpus)
    server.wait_for_sessions(0)

    client = programs.Client(lab).wait_online()
    [session] = server.online()
    spoofed = f"{lab.client_address()}:{peer_port(session)}"
    flood = Process(lab.run, "flood",
                    [programs.program("tools/flood"), "--to", f"{lab.server_address()}:27690",
                     "--count", count, "--seed", 11, "--rate", 25000, "--sources", 64,
                     "--spoof", spoofed, "--corpus", corpus], lab.client.namespace)
    seconds = count / 25000
    rounds = 0
    while flood.is_running():
        traffic.download(lab.client, 8 * MEGABYTE, seed=rounds, timeout=60)
        traffic.upload(lab.run, lab.client, MEGABYTE, seed=rounds)
        rounds += 1
    assert flood.wait_for_end(seconds) == 0
    assert rounds > 0

    sent = json.loads(flood.log())
    assert sent["sent"] == count and sent["failed"] == 0
    assert sent["received_bytes"] <= sent["sent_bytes"], "an amplifier"
    assert client.state() == "Online"
    assert [s["session"] for s in server.online()] == [session["session"]], "the session it had"
    traffic.ping(lab.client)

    metrics = server.metrics()
    assert metrics["udp_recv_datagrams"] > count / 2, "the flood came in"
    assert metrics["udp_parse_wire_failed"] > 0 and metrics["udp_forged_record"] > 0
    assert metrics["conn_replaced"] == 0
    assert len(server.sessions()) < 100, "strangers cost no connections"
    assert len(server.process.log().splitlines()) < 1000, "strangers write no log"
    programs.Client(lab, tun_name="late0", route_mode="noexec").wait_online()


TCP_STRANGERS = """
import random, socket, sys
r = random.Random(13)
left = []
for number in range(300):
    s = socket.create_connection((sys.argv[1], 27690), timeout=5)
    start = r.choice((b"", b"\\x16\\x03\\x01\\x02\\x00\\x01", b"\\x17\\x03\\x03\\xff\\xff", b"GET / HTTP/1.1"))
    try:
        s.sendall(start + r.randbytes(r.randrange(600)))
    except OSError:
        pass
    if number % 3 == 0:
        left.append(s)  # says no more and stays
    else:
        s.close()
"""


@pytest.mark.asan
def test_strangers_over_tcp(lab):
    """Rubbish, half a hello, connections that hang: those who are Online do not notice."""
    server, client = programs.tunnel(lab, {"mode": "tcp"})
    files = open_files(server)
    strangers = Process(lab.run, "tcp-strangers",
                        [sys.executable, "-c", TCP_STRANGERS, lab.server_address()],
                        lab.client.namespace)
    traffic.download(lab.client, 16 * MEGABYTE)
    assert strangers.wait_for_end(30) == 0, strangers.log()
    traffic.ping(lab.client)
    server.wait_for_metric("tcp_accepted", 301)
    # those that ended, by themselves or by us, hold nothing
    server.process.wait_for(lambda: open_files(server) == files, 10, "strangers' sockets closed")
    server.wait_for_sessions(1)


TCP_HELD = """
import socket, sys
held = [socket.create_connection((sys.argv[1], 27690)) for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
held[0].recv(1)
"""


@pytest.mark.asan
def test_more_tcp_connections_than_the_usual_limit_of_open_files(lab):
    """What the limit may be raised to counts, as a service manager sets it."""
    server = programs.Server(lab, mode="tcp", launcher=("prlimit", "--nofile=64:4096")).wait_ready()
    many = Process(lab.run, "tcp-held",
                   [sys.executable, "-c", TCP_HELD, lab.server_address(), 100],
                   lab.client.namespace)
    many.wait_for_log("ready")
    server.wait_for_sessions(100)
    assert server.metrics()["conn_accept_failed"] == 0
    many.kill()
    server.wait_for_sessions(0)


def open_files(program):
    return len(os.listdir(f"/proc/{program.process.pid}/fd"))


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_sessions_leave_nothing_open(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    programs.Client(lab, mode=mode).wait_online().stop()
    server.wait_for_sessions(0)
    files = open_files(server)
    for _ in range(10):
        programs.Client(lab, mode=mode).wait_online().stop()
    server.wait_for_sessions(0)
    server.process.wait_for(lambda: open_files(server) == files, 5, f"{files} open files")


@pytest.mark.asan
def test_client_is_unharmed_by_forged_answers(router_lab, pytestconfig):
    """The same rubbish at a client, under its server's address."""
    lab = router_lab
    programs.Server(lab).wait_ready()
    client = programs.Client(lab).wait_online()
    sockets = lab.client.run("ss", "-H", "-u", "-n").stdout
    [local] = re.findall(r"192\.168\.200\.2:(\d+)\s+192\.168\.190\.1:27690", sockets)
    flood = Process(lab.run, "flood-client",
                    [programs.program("tools/flood"), "--to", f"{lab.client_address()}:{local}",
                     "--count", pytestconfig.getoption("flood") // 10, "--seed", 12,
                     "--rate", 20000, "--sources", 8, "--spoof", f"{lab.server_address()}:27690"],
                    lab.server.namespace)
    while flood.is_running():
        traffic.download(lab.client, 4 * MEGABYTE)
    assert flood.wait_for_end(5) == 0
    assert client.state() == "Online"
    traffic.ping(lab.client)
