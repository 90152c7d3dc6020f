# SPDX-License-Identifier: GPL-3.0-or-later
"""What superpackets and UDP_SEGMENT do on real devices: docs/offload.md D.3."""

import json
import sys

import pytest

from slipway_lab import network, programs, traffic
from slipway_lab.process import Process

MEGABYTE = 1_000_000
LEAST = 20  # segments per superpacket and datagrams per message of a bulk download


def offload_tunnel(lab, server=None, client=None):
    return programs.tunnel(lab, {"enable_tun_offload": True, **(server or {})},
                           {"enable_tun_offload": True, **(client or {})})


def grown(program, before):
    after = program.metrics()
    return {name: value - before.get(name, 0) for name, value in after.items()}


def drops(metrics):
    """Counters that say that something was thrown away on the way through the program."""
    return {name: value for name, value in metrics.items()
            if value and (name.startswith(("drop_", "gso_dropped", "udp_send_dropped"))
                          or name == "udp_no_room")}


@pytest.mark.serial
@pytest.mark.asan
def test_bulk_download_is_read_and_sent_in_batches(lab):
    server, client = offload_tunnel(lab)
    before = server.metrics()
    traffic.iperf3(lab, client.host, reverse=True)
    metrics = grown(server, before)
    assert metrics["superpacket_segments"] >= LEAST * metrics["superpackets"] > 0
    assert metrics["udp_gso_datagrams"] >= LEAST * metrics["udp_gso_messages"] > 0
    # nearly all of it, not only what was batched
    assert metrics["udp_gso_datagrams"] > 0.9 * metrics["udp_send_datagrams"]


@pytest.mark.serial
def test_client_uploads_in_batches(lab):
    server, client = offload_tunnel(lab)
    before = client.metrics()
    traffic.iperf3(lab, client.host)
    metrics = grown(client, before)
    assert metrics["superpacket_segments"] >= LEAST * metrics["superpackets"] > 0
    assert metrics["udp_gso_datagrams"] >= LEAST * metrics["udp_gso_messages"] > 0


@pytest.mark.asan
def test_offload_off_reads_no_superpacket(lab):
    server, client = programs.tunnel(lab, {"enable_tun_offload": False},
                                     {"enable_tun_offload": False})
    traffic.download(client.host, 8 * MEGABYTE)
    traffic.upload(lab.run, client.host, 8 * MEGABYTE)
    for program in (server, client):
        assert program.metrics()["superpackets"] == 0
        assert program.metrics()["udp_gso_messages"] == 0


@pytest.mark.asan
@pytest.mark.parametrize("mss", (1298, 1000, 500, 200))
def test_inner_mss(lab, mss):
    """Small segments make superpackets of more than 64, or of more bytes than one send takes."""
    server, client = offload_tunnel(lab, client={"route_mode": "noexec"})
    client.route_backend("advmss", str(mss))
    before = server.metrics()
    traffic.download(client.host, 24 * MEGABYTE, seed=mss)
    metrics = grown(server, before)
    assert metrics["superpackets"] > 0
    mean = metrics["inside_to_tunnel_bytes"] / metrics["inside_to_tunnel"]
    assert mean < mss + 60
    assert not drops(metrics)
    assert metrics["gso_send_failed"] == 0
    traffic.upload(lab.run, client.host, 4 * MEGABYTE)
    assert not drops(client.metrics())


@pytest.mark.serial
@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
@pytest.mark.parametrize("streams", (8, 64))
def test_many_flows(lab, mode, streams):
    server, client = offload_tunnel(lab, {"mode": mode}, {"mode": mode})
    for reverse in (True, False):
        result = traffic.iperf3(lab, client.host, reverse=reverse, streams=streams)
        assert result.bytes > 10 * MEGABYTE
    if mode == "udp":
        assert not drops(server.metrics()) and not drops(client.metrics())
    assert client.state() == "Online"


@pytest.fixture
def outside_mtu_1400(own_lab):
    ends = ((own_lab.client, "out0"), (own_lab.server, "out0"))
    for host, device in ends:
        host.ip("link", "set", "dev", device, "mtu", 1400)
    yield own_lab
    for host, device in ends:
        host.ip("link", "set", "dev", device, "mtu", 1500)


@pytest.mark.asan
@pytest.mark.parametrize("offload", (True, False), ids=("offload-on", "offload-off"))
def test_outside_mtu_too_small_for_a_batch(outside_mtu_1400, offload):
    """Datagrams of 1431 bytes: UDP_SEGMENT refuses them, single ones are fragmented by the kernel."""
    lab = outside_mtu_1400
    server, client = programs.tunnel(lab, {"enable_tun_offload": offload},
                                     {"enable_tun_offload": offload})
    traffic.download(lab.client, 16 * MEGABYTE)
    traffic.upload(lab.run, lab.client, 8 * MEGABYTE)
    assert not drops(server.metrics())
    if offload:
        metrics = server.metrics()
        assert metrics["superpackets"] > 0
        # the refusal is remembered: not every batch is tried that way
        assert 0 < metrics["gso_send_failed"] < metrics["superpackets"] / 10


@pytest.fixture
def slow_link(own_lab):
    """50 Mbit/s out of the server, with a queue longer than what the socket may have in flight."""
    own_lab.server.run("tc", "qdisc", "add", "dev", "out0", "root", "tbf", "rate", "50mbit",
                       "burst", "128kb", "limit", "8mb")
    yield own_lab
    own_lab.server.run("tc", "qdisc", "del", "dev", "out0", "root")


@pytest.mark.asan
@pytest.mark.parametrize("offload", (True, False), ids=("offload-on", "offload-off"))
def test_slow_link_holds_the_sender_back_and_loses_nothing(slow_link, offload):
    """A full socket stops the reading of the TUN. What then waits in the TUN's own queue is
    less than that: the window is kept below it, so nobody has a reason to drop.
    """
    lab = slow_link
    server, client = programs.tunnel(
        lab, {"enable_tun_offload": offload, "udp_buffer_size": "64KiB"})
    before = server.metrics()
    result = traffic.iperf3(lab, lab.client, "-w", "256K", reverse=True)
    metrics = grown(server, before)
    assert metrics["udp_send_blocked"] > 0 and metrics["tun_paused"] > 0
    assert not drops(metrics)
    assert 30e6 < result.bits_per_second < 50e6
    assert tun_drops(lab.server, server.tun) == 0
    assert result.retransmits <= result.bytes / 1298 / 1000
    traffic.download(lab.client, 8 * MEGABYTE)
    assert not drops(server.metrics())


def tun_drops(host, device):
    """Packets that the kernel had no room for in the TUN's queue."""
    [shown] = json.loads(host.ip("-s", "-j", "link", "show", "dev", device).stdout)
    return shown["stats64"]["tx"]["dropped"]


@pytest.fixture
def short_queue(router_lab):
    """50 Mbit/s behind the router, with a queue that bursts overrun."""
    lab = router_lab
    lab.server.run("ethtool", "-K", "out0", "tx-udp-segmentation", "off")
    lab.router.run("tc", "qdisc", "add", "dev", "out0", "root", "tbf", "rate", "50mbit",
                   "burst", "32kb", "limit", "96kb")
    yield lab
    lab.router.run("tc", "qdisc", "del", "dev", "out0", "root")
    lab.server.run("ethtool", "-K", "out0", "tx-udp-segmentation", "on")


def test_transfer_survives_a_queue_that_drops(short_queue):
    lab = short_queue
    offload_tunnel(lab)
    traffic.download(lab.client, 6 * MEGABYTE)


@pytest.fixture
def slow_hop(router_lab):
    """100 Mbit/s behind the router, with a queue of 64 KiB; datagrams come to it singly."""
    lab = router_lab
    lab.server.run("ethtool", "-K", "out0", "tx-udp-segmentation", "off")
    lab.router.run("tc", "qdisc", "add", "dev", "out0", "root", "tbf", "rate", "100mbit",
                   "burst", "32kb", "limit", "64kb")
    yield lab
    lab.router.run("tc", "qdisc", "del", "dev", "out0", "root")
    lab.server.run("ethtool", "-K", "out0", "tx-udp-segmentation", "on")


@pytest.mark.serial
def test_bursts_of_batches_do_not_overrun_a_slow_hop(slow_hop):
    """Against single datagrams, in three pairs of runs: the same losses, the same rate. Runs without
    their slow start, where losses are luck; after it they vary by a fifth, rates by a tenth.
    """
    lab = slow_hop
    bits, retransmits = {0: 0.0, 1: 0.0}, {0: 0, 1: 0}
    for segments in (0, 1) * 3:
        server, client = offload_tunnel(lab, {"max_segments_per_send": segments})
        result = traffic.iperf3(lab, lab.client, "--omit", "1", reverse=True, seconds=4)
        metrics = server.metrics()
        assert (metrics["udp_gso_messages"] > 0) == (segments == 0)
        bits[segments] += result.bits_per_second
        retransmits[segments] += result.retransmits
        assert client.stop() == 0
        assert server.stop() == 0
    assert retransmits[1] > 0  # the queue is what limits
    assert bits[0] > 0.8 * bits[1]
    assert retransmits[0] < 1.5 * retransmits[1]


@pytest.fixture
def network_card_like(own_lab):
    """The remote host sends single packets, the server's kernel puts them together again."""
    lab = own_lab
    lab.remote.run("ethtool", "-K", "wan0", "tso", "off", "sg", "off", "gso", "off")
    lab.server.run("ethtool", "-K", "wan0", "gro", "on")
    yield lab
    lab.server.run("ethtool", "-K", "wan0", "gro", "off")
    lab.remote.run("ethtool", "-K", "wan0", "tso", "on", "sg", "on", "gso", "on")


@pytest.mark.asan
def test_superpackets_that_the_kernel_coalesced(network_card_like):
    """Their hdr_len is that of a whole packet, 1350, and not to be believed (A.5)."""
    lab = network_card_like
    server, client = offload_tunnel(lab)
    before = server.metrics()
    traffic.download(lab.client, 24 * MEGABYTE)
    metrics = grown(server, before)
    assert metrics["superpackets"] > 0
    assert not drops(metrics)


UDP_PEER = """
import socket, sys
role, address, sends = sys.argv[1], sys.argv[2], sys.argv[3] == "sends"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.settimeout(5)
if role == "remote":
    s.bind((address, 9999))
    print("ready", flush=True)
    hello, peer = s.recvfrom(100)
    s.connect(peer)
    s.send(hello)
else:
    s.connect((address, 9999))
    s.send(b"hello")
    s.recv(100)
for number, (size, total) in enumerate(((1000, 5300), (100, 12800), (1300, 40000), (7, 100))):
    wanted = bytes((number * 50 + i) % 251 for i in range(total))
    if sends:
        s.setsockopt(socket.IPPROTO_UDP, 103, size)
        s.send(wanted)
        continue
    for start in range(0, total, size):
        got = s.recv(65535)
        if got != wanted[start:start + size]:
            sys.exit(f"burst {number}, at {start}: {len(got)} bytes {got[:16].hex()}")
print("all as sent", flush=True)
"""


@pytest.mark.asan
@pytest.mark.parametrize("down", (True, False), ids=("down", "up"))
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_udp_superpackets(lab, mode, down):
    """A sender uses UDP_SEGMENT itself: 128 datagrams of 100 bytes and others. They come out of the
    one TUN as superpackets, and go into the other as such.
    """
    server, client = offload_tunnel(lab, {"mode": mode}, {"mode": mode})
    ends = []
    for host, role, sends in ((lab.remote, "remote", down), (lab.client, "client", not down)):
        ends.append(Process(lab.run, f"udp-{role}-{mode}-{down}",
                            [sys.executable, "-c", UDP_PEER, role, network.REMOTE,
                             "sends" if sends else "receives"], host.namespace))
        if role == "remote":
            ends[0].wait_for_log("ready")
    for end in ends:
        assert end.wait_for_end(15) == 0, end.log()
    near, far = (server.metrics(), client.metrics()) if down else (client.metrics(),
                                                                   server.metrics())
    assert near["superpackets"] >= 3
    assert far["tun_superpackets_written"] >= 3
    assert not drops(near) and not drops(far)


def test_superpackets_with_congestion_marks(own_lab):
    """CE marks on the way in: the sender's CWR superpackets are cut like all others."""
    lab = own_lab
    lab.remote.sysctl({"net.ipv4.tcp_ecn": "1"})
    lab.client.sysctl({"net.ipv4.tcp_ecn": "1"})
    lab.server.nft("""
        table ip marks {
            chain forward {
                type filter hook forward priority 0;
                iifname "wan0" ip ecn ect0 numgen inc mod 50 0 ip ecn set ce
            }
        }""")
    try:
        server, client = offload_tunnel(lab)
        before = server.metrics()
        traffic.download(lab.client, 24 * MEGABYTE)
        metrics = grown(server, before)
        assert metrics["superpackets"] > 0
        assert not drops(metrics)
        assert metrics["superpacket_segments"] > 4 * metrics["superpackets"]
    finally:
        lab.server.nft("delete table ip marks")
        for host in (lab.remote, lab.client):
            host.sysctl({"net.ipv4.tcp_ecn": "2"})
