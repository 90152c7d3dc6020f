# SPDX-License-Identifier: GPL-3.0-or-later
"""The end-to-end scenarios that stock programs are tested with, each under the name it has there:
run-udp-pqc-test is test_udp_pqc. Transfers take 2 s here.

The configuration files are the ones that stock programs come with (tests/fixtures/config), as they
are: with relative paths, a folded certificate, names of hosts. What a scenario adds are arguments,
in the spelling of the stock programs. The certificate is of the kind that is in use there, too: it
is its own authority and carries its name as common name only.

docs/compatibility.md, section 12; tools/check-compatibility compares.

SCENARIO_SERVER and SCENARIO_CLIENT in the environment name programs to use in place of Slipway's, so
that the same scenarios show whether these get on with the other end. What only Slipway tells about
itself is not looked at then.
"""

import dataclasses
import itertools
import os
import re
from pathlib import Path

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run, wait_until

pytestmark = pytest.mark.scenario

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
# "password" as htpasswd -B writes it
USERS = "user:$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu\n"
PEM_TEXT = re.compile(r"( *)-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----", re.DOTALL)
OTHER_SERVER = "192.168.99.9"  # a second address of the server's host
OTHER_NETWORK = "192.168.99.0/24"
OTHER_BINARIES = {role: os.environ.get(f"SCENARIO_{role.upper()}") or None
                  for role in ("server", "client")}
KEEPALIVE = ("--keepalive-interval=2s", "--keepalive-timeout=6s")
IOURING = ("--enable-tun-iouring",)
MARK = 1698916352


@pytest.fixture(scope="session")
def directory(lab):
    """Where the programs work: the files that the configuration files name."""
    here = lab.run.directory / "stock"
    certs, server = here / "tests/certs", here / "tests/server"
    certs.mkdir(parents=True)
    server.mkdir()
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=goaway.com", "-keyout", certs / "server.key", "-out", certs / "server.crt"])
    (certs / "ca.crt").write_text((certs / "server.crt").read_text())
    (server / "lwpasswd").write_text(USERS)
    (server / "lwpasswd").chmod(0o600)
    (here / "hosts").write_text(f"127.0.0.1 localhost\n{lab.server_address()} server server_tcp\n"
                                f"{OTHER_SERVER} server_udp\n")
    return here


def with_names(directory):
    """A command that becomes the program, for which the names of the files exist."""
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", directory / "hosts"]


def config_text(name, directory):
    """A file of the fixtures; in those with a certificate as text it is the right one."""
    text = (FIXTURES / "config" / name).read_text()
    pem = (directory / "tests/certs/ca.crt").read_text().strip()
    return PEM_TEXT.sub(lambda m: "\n".join(m[1] + line for line in pem.splitlines()), text)


class Server(programs.Server):
    def __init__(self, lab, directory, mode, address, *arguments, tun="lightway",
                 network_="10.125.0.0/16", environment=None):
        self.ours = OTHER_BINARIES["server"] is None
        if not self.ours:
            make_device(lab.server, tun, network_)
        arguments = (*arguments, "--tun-name", tun, "--ip-pool", network_,
                     "--tun-ip", gateway_of(network_))
        self.is_bound = re.compile(rf"^\s*\d+: \w+:{int(address.split(':')[1]):04X} ", re.MULTILINE)
        programs.Program.__init__(
            self, lab, lab.server, "server", {"tun_name": tun, "mode": mode},
            ("--log-level", "trace", *arguments, "--bind-address", address, "--mode", mode),
            environment, binary=OTHER_BINARIES["server"],
            text=config_text("server_config.yaml", directory), directory=directory)

    def wait_ready(self, timeout=10):
        if self.ours:
            return super().wait_ready(timeout)
        table = Path(f"/proc/{self.process.pid}/net/{self.options['mode']}")
        self.process.wait_for(lambda: self.is_bound.search(table.read_text()), timeout, "its port")
        return self

    def check_sessions(self, count):
        if self.ours:
            self.wait_for_sessions(count)


class Client(programs.Client):
    def __init__(self, lab, directory, name, *arguments, environment=None):
        self.ours = OTHER_BINARIES["client"] is None
        programs.Program.__init__(
            self, lab, lab.client, "client", {"tun_name": "lightway"},
            ("--log-level", "trace", *arguments), environment, launcher=with_names(directory),
            binary=OTHER_BINARIES["client"], text=config_text(name, directory),
            directory=directory)

    def wait_online(self, timeout=10):
        if self.ours:
            return super().wait_online(timeout)
        self.process.wait_for(lambda: traffic.can_reach(self.host), timeout, "carrying a ping")
        return self

    def check_status(self, wanted):
        """Waits until every text of wanted is in the value of that name."""
        if self.ours:
            self.process.wait_for(lambda: is_as_wanted(self.status(), wanted), 5,
                                  f"{wanted} in its status")
            assert self.state() == "Online"
            assert self.metrics()["tunnel_to_inside"] > 0
        assert self.is_running()


def gateway_of(network_):
    return network_.rsplit(".", 1)[0] + ".1"


def make_device(host, tun, network_):
    """What the stock programs' scripts make for the server."""
    wait_until(lambda: not host.has_device(tun), 5, f"{tun} gone")
    host.ip("tuntap", "add", "dev", tun, "mode", "tun")
    host.batch(f"link set dev {tun} mtu 1350 up", f"address add {gateway_of(network_)}/32 dev {tun}",
               f"route add {network_} dev {tun}")


@pytest.fixture(autouse=True)
def host_for_others(lab):
    """The stock client finds no route that says more than where it leads; a device that was made
    for the stock server stays when that ends.
    """
    if OTHER_BINARIES["client"] and lab.route_options:
        here = lab.client_address()
        lab.client.ip("route", "change", here.rsplit(".", 1)[0] + ".0/24", "dev", "out0", "proto",
                      "kernel", "scope", "link", "src", here)
    yield
    if OTHER_BINARIES["server"]:
        for tun in ("lightway", "other"):
            lab.server.ip("link", "delete", tun, check=False)


def inside_test(lab):
    """What every scenario carries: pings, a page that tells who asked, bounded rates both ways."""
    traffic.ping(lab.client, count=3)
    assert traffic.whoami(lab.client).startswith("10.0.")
    for reverse, udp in itertools.product((False, True), repeat=2):
        traffic.iperf3(lab, lab.client, udp=udp, reverse=reverse, seconds=2, bitrate="10M", tries=3)


@dataclasses.dataclass
class Scenario:
    mode: str
    port: int = 27690
    server: tuple = ()
    client: tuple = ()
    environment: dict = None
    status: dict = dataclasses.field(default_factory=dict)  # of the client, what has to be in it


AES = {"cipher": "AES256GCM"}
CHACHA = {"cipher": "CHACHA20"}
P521 = {"group": "SECP521R1MLKEM1024"}
X25519 = {"group": "X25519MLKEM768"}
PQC = ("--enable-pqc",)
BATCH = ("--enable-batch-receive",)
LANE = ("--enable-expresslane",)
ONE_THREAD = {"TOKIO_WORKER_THREADS": "1"}

SCENARIOS = {
    "tcp_aes256": Scenario("tcp", 443, client=("--cipher", "aes256"), status=AES),
    "tcp_chacha20": Scenario("tcp", 443, client=("--cipher", "chacha20"), status=CHACHA),
    "tcp_pqc": Scenario("tcp", 443, server=PQC, status=P521),
    "tcp_pqc_x25519mlkem768": Scenario("tcp", 443, server=PQC,
                                       client=("--keyshare", "x25519mlkem768"), status=X25519),
    "udp_aes256": Scenario("udp", status=AES),
    "udp_chacha20": Scenario("udp", client=("--cipher", "chacha20"), status=CHACHA),
    "udp_pqc": Scenario("udp", server=PQC, status=P521),
    "udp_pqc_x25519mlkem768": Scenario("udp", server=PQC, client=("--keyshare", "x25519mlkem768"),
                                       status=X25519),
    "udp_pmtud": Scenario("udp", client=("--enable-pmtud",), status={"pmtud": "SearchComplete"}),
    "udp_iouring": Scenario("udp", server=IOURING, client=IOURING),
    "tcp_iouring": Scenario("tcp", server=IOURING, client=IOURING),
    "udp_tun_offload": Scenario("udp", server=("--enable-tun-offload",)),
    "udp_client_batch_receive": Scenario("udp", client=BATCH),
    "udp_server_batch_receive": Scenario("udp", server=BATCH),
    "udp_both_batch_receive": Scenario("udp", server=BATCH, client=BATCH),
    "udp_server_batch_send": Scenario("udp", server=("--enable-batch-send",)),
    "udp_server_all_batching": Scenario("udp", server=(*BATCH, "--enable-batch-send")),
    "tcp_server_batch_send": Scenario("tcp", server=("--enable-batch-send",)),
    "udp_expresslane": Scenario("udp", server=LANE, client=LANE, status={"expresslane": "Active"}),
    "udp_expresslane_compat_server": Scenario("udp", server=LANE,
                                              status={"expresslane": "Disabled"}),
    "udp_expresslane_compat_client": Scenario("udp", client=LANE,
                                              status={"expresslane": "Inactive"}),
    "udp_keepalive": Scenario("udp", client=KEEPALIVE),
    "tcp_keepalive": Scenario("tcp", 443, client=KEEPALIVE),
    "udp_single_threaded": Scenario("udp", server=IOURING, environment=ONE_THREAD,
                                    client=(*KEEPALIVE, *IOURING, "--enable-pmtud"),
                                    status={"pmtud": "SearchComplete"}),
    "tcp_single_threaded": Scenario("tcp", 443, client=KEEPALIVE, environment=ONE_THREAD),
}


def spelled(value):
    """Names of suites and groups without the marks that versions of the library differ in."""
    return str(value).upper().replace("_", "").replace("-", "")


def start(lab, directory, scenario):
    server = Server(lab, directory, scenario.mode, f"0.0.0.0:{scenario.port}", *scenario.server,
                    environment=scenario.environment).wait_ready()
    client = Client(lab, directory, "client_config.yaml", *scenario.client,
                    "--server", f"{lab.server_address()}:{scenario.port}",
                    "--mode", scenario.mode, environment=scenario.environment).wait_online()
    return server, client


def is_as_wanted(status, wanted):
    return all(spelled(value) in spelled(status[name]) for name, value in wanted.items())


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(lab, directory, name):
    scenario = SCENARIOS[name]
    server, client = start(lab, directory, scenario)
    inside_test(lab)
    client.check_status(scenario.status)
    server.check_sessions(1)
    assert client.stop() == 0
    server.check_sessions(0)


@pytest.fixture
def home(lab):
    """The client's address comes back whatever happened to it."""
    yield lab.client_address()
    lab.client.ip("-4", "address", "flush", "dev", "out0")
    lab.add_address(lab.client, "out0", lab.client_address(), 24)


def test_udp_floating_ip(lab, directory, home):
    server, client = start(lab, directory, Scenario("udp"))
    traffic.ping(lab.client, count=3)
    second = home.rsplit(".", 1)[0] + ".77"
    lab.client.ip("address", "add", f"{second}/24", "dev", "out0")
    lab.client.ip("address", "delete", f"{home}/24", "dev", "out0")
    shown = lab.client.ip("-4", "address", "show", "dev", "out0").stdout
    assert second in shown and home not in shown
    traffic.ping(lab.client, lab.server_address(), count=1)
    wait_until(lambda: traffic.can_reach(lab.client), 5, "a ping from the new address")
    inside_test(lab)
    server.check_sessions(1)
    if server.ours:
        assert [session["peer"].split(":")[0] for session in server.online()] == [second]
    client.check_status({})


def test_udp_fwmark(lab, directory):
    start(lab, directory, Scenario("udp", client=(f"--fwmark={MARK}",)))
    inside_test(lab)
    assert f"fwmark:{MARK:#x}" in lab.client.run("ss", "-uanpeH").stdout


def test_token_auth(lab, directory):
    _, public = lab.pki.token_key
    token = lab.pki.token({"exp": 4883113416})
    server, _ = start(lab, directory, Scenario(
        "udp", server=("--token-rsa-pub-key-pem", public), client=("--token", token)))
    inside_test(lab)
    server.check_sessions(1)


@pytest.fixture
def second_address(lab):
    """The server's host has another address, where its clients can reach it."""
    lab.server.ip("address", "add", f"{OTHER_SERVER}/32", "dev", "lo")
    lab.client.ip("route", "add", OTHER_NETWORK, "via", lab.server_address(), "proto", "boot")
    yield OTHER_SERVER
    lab.client.ip("route", "delete", OTHER_NETWORK, "proto", "boot")
    lab.server.ip("address", "delete", f"{OTHER_SERVER}/32", "dev", "lo")


@pytest.mark.parametrize("mode", ("tcp", "udp"))
def test_parallel_connect(lab, directory, mode):
    """run-tcp-parallel-connect-test, run-udp-parallel-connect-test: eight ports where nobody
    listens, and the right one twice.
    """
    server = Server(lab, directory, mode, "0.0.0.0:27690").wait_ready()
    client = Client(lab, directory, f"client_config.{mode}.yaml").wait_online(timeout=15)
    inside_test(lab)
    server.check_sessions(1)
    client.check_status({"server": f"{lab.server_address()}:27690"})


@pytest.mark.parametrize("order", ("tcp_then_udp", "udp_then_tcp"))
def test_parallel_connect_of_two_transports(lab, directory, second_address, order):
    """run-tcp-then-udp-parallel-connect-test, run-udp-then-tcp-parallel-connect-test: the first one
    of the file wins, and the route to it is the only one that the client made on its way there.
    """
    addresses = {"tcp": lab.server_address(), "udp": second_address}
    servers = [
        Server(lab, directory, "tcp", f"{addresses['tcp']}:27690"),
        Server(lab, directory, "udp", f"{addresses['udp']}:27690", tun="other",
               network_="10.126.0.0/16"),
    ]
    for server in servers:
        server.wait_ready()
    Client(lab, directory, f"client_config.{order}.yaml").wait_online(timeout=15)
    inside_test(lab)
    shown = lab.client.ip("route", "show", "proto", "static", "dev", "out0").stdout.splitlines()
    assert [line.split()[0] for line in shown] == [addresses[order[:3]]]
