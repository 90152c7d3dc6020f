# SPDX-License-Identifier: GPL-3.0-or-later
"""Reload: who may come in, certificate, key and log level change, and no session notices."""

import json
import signal
import time
from pathlib import Path

import pytest

from slipway_lab import programs, traffic
from slipway_lab.pki import PASSWORD, USER
from slipway_lab.process import Failed, run

MODES = ("udp", "tcp")
MEGABYTE = 1_000_000
QUICK = 5  # seconds until a client that cannot get in has to be gone
RELOADED = " reload: Reloaded"


def write(path, text):
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def change(program, **options):
    """Writes the program's file anew; an option that is None is left out."""
    options = {k: v for k, v in {**program.options, **options}.items() if v is not None}
    programs.write_yaml(program.config, options)


def reload(program):
    """Both answers of slipwayctl, as one would read them."""
    return json.loads(program.slipwayctl("reload", "--json").stdout)


def reload_fails(program, *words):
    done = program.slipwayctl("reload", check=False)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
        assert word in program.process.log()
    assert "Nothing is reloaded" in program.process.log()


def refused(lab, status=programs.Exit.LOGIN, **options):
    client = programs.Client(lab, tun_name="other0", route_mode="noexec", **options)
    assert client.process.wait_for_end(QUICK) == status


def comes_in(lab, **options):
    """Another client of the first one's host."""
    client = programs.Client(lab, tun_name="other0", route_mode="noexec", **options).wait_online()
    assert client.stop() == 0


def user_line(name, password=PASSWORD):
    hashed = run(["openssl", "passwd", "-6", password]).stdout.strip()
    return f"{name}:{hashed}\n"


@pytest.mark.asan
@pytest.mark.parametrize("how", ("signal", "slipwayctl"))
def test_users_come_and_go(lab, how):
    users = write(lab.run.directory / f"users-{how}", user_line(USER))
    server, client = programs.tunnel(lab, {"user_db": users})
    refused(lab, user="dave")

    write(users, user_line("dave"))
    if how == "signal":
        server.process.signal(signal.SIGHUP)
        server.process.wait_for(lambda: RELOADED in server.process.log(), 5, "a reload")
    else:
        assert server.slipwayctl("reload").returncode == 0
    comes_in(lab, user="dave")
    refused(lab)  # alice, who is in
    assert client.state() == "Online"
    traffic.ping(lab.client)


@pytest.mark.asan
@pytest.mark.parametrize("workers", (1, 2))
@pytest.mark.parametrize("mode", MODES)
def test_certificate_changes_during_a_download(lab, mode, workers):
    directory = lab.run.directory
    certificate = write(directory / f"reload-{mode}.crt", lab.pki.server[0].read_text())
    key = write(directory / f"reload-{mode}.key", lab.pki.server[1].read_text())
    server, client = programs.tunnel(
        lab, {"mode": mode, "server_cert": certificate, "server_key": key, "workers": workers})
    download = traffic.Download(lab, lab.client, 100 * MEGABYTE)
    server.wait_for_metric("inside_to_tunnel", 1000)
    refused(lab, programs.Exit.CERTIFICATE, mode=mode, ca_cert=lab.pki.next_authority)

    certificate.write_text(lab.pki.next_server[0].read_text())
    key.write_text(lab.pki.next_server[1].read_text())
    assert reload(server) == {"reloaded": True, "needs_restart": []}
    for _ in range(2 * workers):
        comes_in(lab, mode=mode, ca_cert=lab.pki.next_authority)
    refused(lab, programs.Exit.CERTIFICATE, mode=mode)
    download.finish()
    assert client.state() == "Online"
    assert server.metrics()["conn_online"] == 1 + 2 * workers


@pytest.mark.asan
def test_key_of_tokens_changes(lab):
    server = programs.Server(lab, token_rsa_pub_key_pem=lab.pki.token_key[1]).wait_ready()
    old, new = lab.pki.token(), lab.pki.token(key=lab.pki.other_token_key[0])
    who = {"user": None, "password": None}
    client = programs.Client(lab, token=old, **who).wait_online()
    refused(lab, token=new, **who)

    change(server, token_rsa_pub_key_pem=lab.pki.other_token_key[1])
    reload(server)
    comes_in(lab, token=new, **who)
    refused(lab, token=old, **who)

    change(server, token_rsa_pub_key_pem=None)
    reload(server)
    refused(lab, token=new, **who)
    comes_in(lab)
    assert client.state() == "Online"


def test_log_level_changes(lab):
    server, client = programs.tunnel(lab)
    for program in (server, client):
        assert "DEBUG" not in program.process.log()
        change(program, log_level="trace")
        reload(program)
    comes_in(lab)
    server.process.wait_for(lambda: "a connection is now" in server.process.log(), 5, "trace")
    change(server, log_level="off")
    reload(server)
    size = len(server.process.log())
    comes_in(lab)
    reload(server)
    assert len(server.process.log()) == size
    assert client.state() == "Online"


def test_encoding_is_asked_for_when_its_switch_changes(lab):
    """The client has no codec, and says so at each change."""
    _server, client = programs.tunnel(lab)
    change(client, enable_inside_pkt_encoding=True)
    reload(client)
    reload(client)
    assert client.process.log().count("this program has no codec") == 1
    change(client)
    reload(client)
    assert client.process.log().count("this program has no codec") == 2
    traffic.ping(lab.client)


def test_command_line_still_wins(lab):
    server = programs.Server(lab, arguments=["--log-level", "warn"]).wait_ready()
    change(server, log_level="trace")
    reload(server)
    comes_in(lab)
    server.wait_for_sessions(0)
    assert server.process.log() == ""


def test_what_needs_a_restart_is_named(lab):
    server, client = programs.tunnel(lab)
    change(server, ip_pool="10.126.0.0/16", mode="tcp", log_level="debug")
    assert reload(server) == {"reloaded": True, "needs_restart": ["mode", "ip_pool"]}
    assert "ip_pool has changed: needs a restart" in server.process.log()
    assert "needs restart" in server.slipwayctl("reload").stdout
    change(client, password="other", keepalive_interval="3s")
    assert reload(client)["needs_restart"] == ["password", "keepalive_interval"]
    assert "other" not in client.process.log()
    comes_in(lab)
    traffic.ping(lab.client)


@pytest.mark.asan
def test_mistakes_change_nothing(lab):
    users = write(lab.run.directory / "users-mistaken", user_line(USER))
    server, client = programs.tunnel(lab, {"user_db": users})
    change(server, mode="ufo", log_level="trace")
    reload_fails(server, f"{server.config}:", 'mode: "ufo" is not possible')
    change(server, nonsense=1)
    reload_fails(server, "nonsense: unknown option")
    change(server, server_cert=lab.pki.next_server[0])
    reload_fails(server, "server_key: ", "holds no private key that belongs to server_cert")
    change(server, token_rsa_pub_key_pem=lab.pki.server[0])
    reload_fails(server, "token_rsa_pub_key_pem: ", "holds no RSA public key")
    change(server)
    write(users, user_line("dave") + "\n")
    reload_fails(server, f"user_db: {users}:2: expected user:hash")
    server.config.unlink()
    reload_fails(server, str(server.config))
    refused(lab, user="dave")
    comes_in(lab)
    assert "TRACE" not in server.process.log()

    change(server)
    write(users, user_line("dave"))
    reload(server)
    comes_in(lab, user="dave")

    change(client, keepalive_interval="never")
    reload_fails(client, "keepalive_interval: ")
    traffic.ping(lab.client)


def resident_kib(program):
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def descriptors(program):
    return len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))


def reload_often(server, count):
    for _ in range(count):
        answer = programs.ask(server.control, "reload")
        assert answer.startswith("reloaded"), answer


@pytest.mark.asan
@pytest.mark.tsan
def test_reloads_while_clients_log_in(few_lab):
    """New logins and handshakes meet every moment of a reload."""
    lab = few_lab
    server = programs.Server(lab, workers=2, mode="both").wait_ready()
    for turn in range(3):
        clients = [programs.Client(lab, index=i, mode=MODES[(i + turn) % 2])
                   for i in range(len(lab.clients))]
        deadline = time.monotonic() + 20
        while not all(client.state() == "Online" for client in clients):
            assert all(client.is_running() for client in clients)
            if time.monotonic() > deadline:
                raise Failed("clients do not get in")
            reload_often(server, 5)
        for client in clients:
            assert client.stop() == 0
    server.wait_for_sessions(0)


@pytest.mark.serial
def test_1000_reloads_under_load_drop_no_session(few_lab):
    lab = few_lab
    server = programs.Server(lab, workers=2, enable_expresslane=True).wait_ready()
    clients = [programs.Client(lab, index=i, enable_expresslane=i % 2 == 0).wait_online()
               for i in range(len(lab.clients))]
    flows = traffic.Flows(lab, lab.clients, reverse=True, bitrate="100M")
    try:
        flows.wait_flowing()
        reload_often(server, 100)  # what is taken once has been taken
        before, memory, files = flows.sample(), resident_kib(server), descriptors(server)
        reload_often(server, 900)
        after = flows.sample()
    finally:
        flows.stop()
    assert all(new > old for old, new in zip(before.bytes, after.bytes))
    assert resident_kib(server) < memory * 1.05 + 1024
    assert descriptors(server) <= files
    assert [client.state() for client in clients] == ["Online"] * len(clients)
    metrics = server.metrics()
    assert metrics["conn_online"] == len(clients) and metrics["conn_closed"] == 0
