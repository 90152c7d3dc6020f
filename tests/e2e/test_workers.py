# SPDX-License-Identifier: GPL-3.0-or-later
"""Several workers: what the kernel steers, and what workers pass on to each other."""

import json
from pathlib import Path

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import wait_until
from slipway_lab.relay import Relay

pytestmark = pytest.mark.tsan

MEGABYTE = 1_000_000
SIZE = 4 * MEGABYTE
NAME = "byhand0"
BY_ID, BY_ADDRESS = "by session id", "by inside address"
WITHOUT_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin")


def start(lab, workers, **options):
    return programs.Server(lab, workers=workers, **options).wait_ready()


def connect_all(lab, server, **options):
    clients = [programs.Client(lab, index=i, mode=server.options["mode"], **options)
               for i in range(len(lab.clients))]
    for client in clients:
        client.wait_online(timeout=40)
    return clients


def exchange(lab, size=SIZE):
    """Everybody gets a file of his own, all at once, and then sends one."""
    downloads = [traffic.Download(lab, host, size, seed=i) for i, host in enumerate(lab.clients)]
    for download in downloads:
        download.finish()
    for host in lab.clients:
        traffic.upload(lab.run, host, size // 8)


def mail(server):
    return {name: value for name, value in server.metrics().items()
            if name.startswith("worker_mail_")}


@pytest.mark.parametrize("workers", (1, 2, 4))
@pytest.mark.parametrize("mode, offload", (("udp", True), ("udp", False), ("tcp", True)),
                         ids=("udp-on", "udp-off", "tcp-on"))
def test_eight_clients(wide_lab, mode, offload, workers):
    lab = wide_lab
    server = start(lab, workers, mode=mode, enable_tun_offload=offload)
    clients = connect_all(lab, server)
    exchange(lab)
    status = server.status()
    assert [line["worker"] for line in status["workers"]] == list(range(workers))
    assert sum(line["connections"] for line in status["workers"]) == len(clients)
    assert len({session["inside_ip"] for session in status["sessions"]}) == len(clients)
    for session in status["sessions"]:
        if mode == "udp":  # the id says whose it is
            assert int(session["session"], 16) % 256 % workers == session["worker"]
    for client in clients:
        assert client.stop() == 0
    server.wait_for_sessions(0)


def test_expresslane_on_several_workers(wide_lab):
    lab = wide_lab
    server = start(lab, 4, enable_expresslane=True)
    connect_all(lab, server, enable_expresslane=True)
    exchange(lab)
    assert server.metrics()["expresslane_sent"] > SIZE / 1400
    assert server.metrics()["expresslane_decrypt_failed"] == 0


def test_kernel_steers_both_ways(wide_lab):
    """Once clients know their session ids, nothing arrives at the wrong worker."""
    lab = wide_lab
    server = start(lab, 4, offload_steering=True)
    status = server.status()
    assert (status["steering_outside"], status["steering_inside"]) == (BY_ID, BY_ADDRESS)
    connect_all(lab, server)
    for host in lab.clients:
        traffic.ping(host, count=1)
    before = mail(server)
    exchange(lab)
    assert mail(server) == before
    assert before["worker_mail_inside"] == before["worker_mail_full"] == 0


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_connections_are_spread_evenly(wide_lab, mode):
    """Wherever the kernel's hash sends a hello, the worker with the fewest connections gets it."""
    lab = wide_lab
    server = start(lab, 4, mode=mode)
    clients = []
    for i in range(len(lab.clients)):
        clients.append(programs.Client(lab, index=i, mode=mode).wait_online(timeout=20))
        counts = sorted(line["connections"] for line in server.status()["workers"])
        assert counts[-1] - counts[0] <= 1
    exchange(lab, MEGABYTE)
    for client in clients:  # each comes back, from another port
        assert client.stop() == 0
    server.wait_for_sessions(0)
    connect_all(lab, server)
    exchange(lab, MEGABYTE)


def test_without_steering(wide_lab):
    lab = wide_lab
    server = start(lab, 4, offload_steering=False)
    status = server.status()
    for direction in ("steering_outside", "steering_inside"):
        assert "offload_steering is false" in status[direction]
    connect_all(lab, server)
    exchange(lab)


def test_without_permission_to_use_bpf(wide_lab):
    if Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip() == "0":
        pytest.skip("everybody may use BPF here")
    lab = wide_lab
    server = start(lab, 4, launcher=WITHOUT_BPF)
    status = server.status()
    assert status["steering_outside"] == BY_ID
    assert "CAP_BPF" in status["steering_inside"]
    assert "CAP_BPF" in server.process.log()
    connect_all(lab, server)
    exchange(lab)


def test_insisting_on_steering_without_permission(lab):
    if Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip() == "0":
        pytest.skip("everybody may use BPF here")
    server = programs.Server(lab, workers=2, offload_steering=True, launcher=WITHOUT_BPF)
    assert server.process.wait_for_end(5) == 1
    assert "offload_steering" in server.process.log()


# --- clients that move ----------------------------------------------------------------------------


class Moving:
    """A client behind a relay; each move gives it another port in the eyes of the server."""

    def __init__(self, lab):
        self.lab = lab
        self.port = 41000
        self.relay = Relay(lab, "--source-port", self.port)

    def move(self):
        self.relay.finish()
        self.port += 1
        self.relay = Relay(self.lab, "--source-port", self.port)

    def connect(self):
        client = programs.Client(self.lab, server=self.relay.address, route_mode="noexec")
        client.wait_online(timeout=20)
        client.route_backend()
        return client


@pytest.mark.asan
@pytest.mark.parametrize("steering", ("auto", False), ids=("steering", "none"))
def test_client_that_moves_stays_with_its_worker(router_lab, steering):
    lab = router_lab
    server = start(lab, 4, offload_steering=steering)
    moving = Moving(lab)
    moving.connect()
    [before] = server.online()
    for number in range(1, 9):
        moving.move()
        traffic.ping(lab.client)
        server.wait_for_metric("udp_conn_recovered_via_session", number)
        traffic.download(lab.client, SIZE, seed=number)
        traffic.upload(lab.run, lab.client, SIZE // 8)
    [after] = server.online()
    assert after["worker"] == before["worker"]
    assert after["inside_ip"] == before["inside_ip"]
    if steering == "auto":
        assert mail(server)["worker_mail_datagrams"] == 0
    else:  # of eight ports, not all go to the same of four workers
        assert mail(server)["worker_mail_datagrams"] > 100


def test_client_moves_during_a_download(router_lab):
    lab = router_lab
    server = start(lab, 4, offload_steering=False)
    moving = Moving(lab)
    moving.connect()
    download = traffic.Download(lab, lab.client, 16 * MEGABYTE)
    for number in range(1, 5):
        moving.move()
        traffic.ping(lab.client, count=1)  # who only receives has nothing to say
        server.wait_for_metric("udp_conn_recovered_via_session", number)
    download.finish()


def test_client_started_again_where_it_had_moved_to(router_lab):
    """The hello goes by its address and port, to whichever worker; the old session has to go."""
    lab = router_lab
    server = start(lab, 4)
    moving = Moving(lab)
    workers = set()
    for number in range(1, 9):
        client = moving.connect()
        moving.move()
        traffic.ping(lab.client, count=1)
        server.wait_for_metric("udp_conn_recovered_via_session", number)
        [old] = server.online()
        client.kill()
        client = moving.connect()
        server.wait_for_sessions(1)
        [new] = server.online()
        assert new["session"] != old["session"]
        workers.add((old["worker"], new["worker"]))
        assert client.stop() == 0
        server.wait_for_sessions(0)
        moving.move()
    assert any(old != new for old, new in workers)
    assert server.metrics()["conn_replaced"] == 8


# --- devices made before --------------------------------------------------------------------------


@pytest.fixture
def make_tun(wide_lab):
    """A persistent device on the server, with its address; the route has to wait until it is up."""
    host = wide_lab.server

    def make(*flags):
        host.ip("tuntap", "add", "dev", NAME, "mode", "tun", *flags)
        host.batch(f"link set dev {NAME} mtu 1350 up", f"route add {programs.POOL} dev {NAME}")

    yield make
    host.ip("link", "delete", "dev", NAME)


@pytest.mark.asan
def test_device_with_a_single_queue(wide_lab, make_tun):
    """One worker reads for all, every one writes."""
    lab = wide_lab
    make_tun()
    server = start(lab, 4, tun_name=NAME)
    assert f"ip tuntap add dev {NAME} mode tun multi_queue" in server.process.log()
    assert "single queue" in server.status()["steering_inside"]
    connect_all(lab, server)
    exchange(lab)
    lines = server.status()["workers"]
    assert [line["tun_reads"] > 0 for line in lines] == [True, False, False, False]
    if any(line["connections"] > 0 for line in lines[1:]):
        assert lines[0]["mail_inside"] > 0


def test_device_with_several_queues(wide_lab, make_tun):
    """Steering ends with the server: what comes after it finds the device as it was."""
    lab = wide_lab
    make_tun("multi_queue")
    for workers in (4, 1, 2):
        server = start(lab, workers, tun_name=NAME)
        assert "mode tun multi_queue" not in server.process.log()
        if workers > 1:
            assert server.status()["steering_inside"] == BY_ADDRESS
        clients = connect_all(lab, server)
        exchange(lab, MEGABYTE)
        assert mail(server)["worker_mail_inside"] == 0
        for client in clients:
            assert client.stop() == 0
        assert server.stop() == 0
    shown = json.loads(lab.server.ip("-j", "link", "show", "dev", NAME).stdout)[0]
    assert shown["mtu"] == 1350


def test_device_in_use_is_refused_though_it_has_room_for_more(lab):
    server = start(lab, 2)
    second = programs.Server(lab, workers=2, bind_address="0.0.0.0:27691")
    assert second.process.wait_for_end(5) == 1
    assert server.tun in second.process.log()


# --- life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_address_in_use_is_refused_though_it_could_be_shared(lab, mode):
    server = start(lab, 2, mode=mode)
    second = programs.Server(lab, workers=2, mode=mode, tun_name="slipway1",
                             ip_pool="10.126.0.0/16", tun_ip="10.126.0.1")
    assert second.process.wait_for_end(5) == 1
    assert "in use" in second.process.log()
    assert server.is_running()


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_every_worker_says_goodbye(wide_lab, mode):
    lab = wide_lab
    server = start(lab, 4, mode=mode)
    clients = connect_all(lab, server)
    assert server.stop() == 0
    for client in clients:
        wait_until(lambda: not client.is_running(), 5, f"{client.name} ended")


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
@pytest.mark.parametrize("workers", (1, 4))
def test_goodbye_and_a_new_start_under_load(wide_lab, mode, workers):
    """Data flows to everybody, or from everybody, when the server ends; and all come again."""
    lab = wide_lab
    lane = {"enable_expresslane": mode == "udp"}
    for reverse in (True, False):
        server = start(lab, workers, mode=mode, **lane)
        clients = connect_all(lab, server, **lane)
        flows = traffic.Flows(lab, lab.clients, reverse=reverse)
        flows.wait_flowing(timeout=40)
        if mode == "udp":
            assert server.metrics()["expresslane_received"] > 0
        assert server.stop() == 0
        for client in clients:
            wait_until(lambda: not client.is_running(), 5, f"{client.name} ended")
            assert "the server said goodbye" in client.process.log()
        flows.stop()


def test_counters_are_the_sum_of_the_workers(wide_lab):
    lab = wide_lab
    server = start(lab, 4)
    clients = connect_all(lab, server)
    exchange(lab, MEGABYTE)
    for client in clients:
        assert client.stop() == 0
    server.wait_for_sessions(0)
    metrics, lines = server.metrics(), server.status()["workers"]
    for name, metric in (("datagrams_in", "udp_recv_datagrams"),
                         ("datagrams_out", "udp_send_datagrams"), ("tun_writes", "tun_writes")):
        assert sum(line[name] for line in lines) == metrics[metric]
    assert metrics["conn_created"] == metrics["conn_online"] == len(clients)
    assert metrics["sessions_lifetime_total"] == len(clients)
    assert metrics["sessions_current_online"] == metrics["assigned_internal_ips"] == 0
    assert "worker" in server.slipwayctl("status").stdout


def test_questions_while_everything_runs(wide_lab):
    """Status and counters are asked of workers that are busy, a hundred times."""
    lab = wide_lab
    server = start(lab, 4)
    connect_all(lab, server)
    downloads = [traffic.Download(lab, host, SIZE, seed=i) for i, host in enumerate(lab.clients)]
    last = 0
    for _ in range(100):
        assert len(server.online()) == len(lab.clients)
        now = server.metrics()["udp_send_datagrams"]
        assert now >= last
        last = now
    for download in downloads:
        download.finish()
