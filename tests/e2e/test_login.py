# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, and what those read who do not."""

import sys

import pytest

from slipway_lab import programs, traffic
from slipway_lab.by_hand import AUTH_FAILURE, AUTH_SUCCESS, GOODBYE, ByHand
from slipway_lab.pki import BCRYPT_USER, PASSWORD, USER
from slipway_lab.process import Process
from slipway_lab.programs import Exit

MODES = ("udp", "tcp")
QUICK = 5  # seconds until a client that cannot get in has to be gone


def ends_quickly(client, status, *words):
    """The client ends with this status and says why in one of these words."""
    assert client.process.wait_for_end(QUICK) == status
    log = client.process.log().lower()
    assert any(word in log for word in words), f"none of {words} in\n{log}"


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("login, reason", (({"password": "wrong"}, "wrong password"),
                                           ({"user": "nobody"}, "unknown user")),
                         ids=("wrong-password", "unknown-user"))
def test_wrong_login_is_refused(lab, mode, login, reason):
    server = programs.Server(lab, mode=mode).wait_ready()
    ends_quickly(programs.Client(lab, mode=mode, **login), Exit.LOGIN, "password", "denied", "refused")
    server.wait_for_sessions(0)
    assert server.metrics()["conn_rejected_access_denied"] == 1
    assert reason in server.process.log() and "wrong\n" not in server.process.log()
    assert server.status()["addresses_used"] == 0  # nor was one taken meanwhile
    programs.Client(lab, mode=mode).wait_online()
    assert PASSWORD not in server.process.log()


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_certificate_of_another_authority_is_refused(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    ends_quickly(programs.Client(lab, mode=mode, ca_cert=lab.pki.other_ca),
                 Exit.CERTIFICATE, "certificate")
    assert server.is_running()
    assert server.metrics()["conn_online"] == 0


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_certificate_with_another_name_is_refused(lab, mode):
    server = programs.Server(lab, mode=mode).wait_ready()
    client = programs.Client(lab, mode=mode, server_dn="other.slipway.test")
    ends_quickly(client, Exit.CERTIFICATE, "other.slipway.test", "name")
    assert server.metrics()["conn_online"] == 0


@pytest.mark.asan
@pytest.mark.parametrize("mode, common_name, names, server_dn", [
    ("udp", "server", None, "server"),
    ("tcp", "My VPN 1", None, "my vpn 1"),
    ("tcp", "10.0.0.1", None, "10.0.0.1"),
    ("udp", "vpn", "IP:10.0.0.1,IP:2001:db8::1", "2001:DB8:0::1"),
])
def test_names_that_are_not_fully_qualified(lab, mode, common_name, names, server_dn):
    certificate, key = lab.pki.named_server(common_name, names)
    programs.Server(lab, mode=mode, server_cert=certificate, server_key=key).wait_ready()
    ends_quickly(programs.Client(lab, mode=mode, server_dn="10.0.0.2"), Exit.CERTIFICATE,
                 "does not carry the name 10.0.0.2")
    programs.Client(lab, mode=mode, server_dn=server_dn).wait_online()
    traffic.ping(lab.client, count=1)


@pytest.mark.parametrize("mode", MODES)
def test_whole_chain_of_the_certificate_file_is_sent(lab, mode):
    certificate, key = lab.pki.chained_server
    programs.tunnel(lab, {"mode": mode, "server_cert": certificate, "server_key": key})
    traffic.ping(lab.client, count=1)


@pytest.mark.parametrize("mode", MODES)
def test_any_name_is_good_without_server_dn(lab, mode):
    programs.tunnel(lab, {"mode": mode}, {"server_dn": None})
    traffic.ping(lab.client, count=1)


def test_bcrypt_user(lab):
    programs.tunnel(lab, client={"user": BCRYPT_USER})
    traffic.ping(lab.client, count=1)


def test_password_from_the_environment(lab):
    programs.Server(lab).wait_ready()
    programs.Client(lab, password=None,
                    environment={"LW_CLIENT_PASSWORD": PASSWORD}).wait_online()


def test_nobody_listens_on_tcp(lab):
    ends_quickly(programs.Client(lab, mode="tcp"), Exit.UNREACHABLE, "refused")


def test_nobody_listens_on_udp(lab):
    """An ICMP error is enough: nobody waits for DTLS to run out of tries."""
    ends_quickly(programs.Client(lab, mode="udp"), Exit.UNREACHABLE, "refused")


def test_user_names_do_not_disturb_each_other(lab):
    """A refused login beside a running session of the same host."""
    server, client = programs.tunnel(lab)
    ends_quickly(programs.Client(lab, password="wrong", tun_name="other0", route_mode="noexec"),
                 Exit.LOGIN, "password", "denied", "refused")
    assert client.state() == "Online"
    server.wait_for_sessions(1)
    traffic.ping(lab.client)


@pytest.mark.asan
def test_session_keeps_the_name_of_who_was_let_in(lab):
    """Whatever name a later login of the same connection claims."""
    server = programs.Server(lab, mode="tcp").wait_ready()
    client = ByHand(lab, programs.PORT, f"login:{USER}:{PASSWORD}", "answer", "login:dave:wrong",
                    "answer", "answer", "answer")
    assert client.answers() == [AUTH_SUCCESS, AUTH_FAILURE, GOODBYE, "end"]
    server.wait_for_sessions(0)
    [refused] = [line for line in server.process.log().splitlines() if "Login refused" in line]
    [gone] = [line for line in server.process.log().splitlines() if "Client gone" in line]
    assert " user=dave reason=unknown user" in refused
    assert f" user={USER} " in gone


@pytest.mark.asan
def test_repeated_login_is_answered_again(lab):
    server = programs.Server(lab, mode="tcp").wait_ready()
    right = f"login:{USER}:{PASSWORD}"
    client = ByHand(lab, programs.PORT, right, "answer", right, "answer")
    assert client.answers() == [AUTH_SUCCESS, AUTH_SUCCESS]
    server.wait_for_sessions(0)
    assert server.metrics()["conn_online"] == 1
    assert server.status()["addresses_used"] == 0


MANY = 1200
# Logs in so many times at once, from several addresses, and says how many were refused.
MANY_LOGINS = """
import asyncio, ssl, sys
address, port, user, count, *sources = sys.argv[1:]
context = ssl._create_unverified_context()
name = user.encode()
login = bytes([4, 1, len(name), 1]) + name.ljust(50, b"\\0") + b"x".ljust(50, b"\\0")

async def log_in(number, gate, asked):
    async with gate:
        reader, writer = await asyncio.open_connection(
            address, int(port), ssl=context, local_addr=(sources[number % len(sources)], 0))
        writer.write(login)
        await writer.drain()
    asked.release()
    return await reader.read(1)

async def main():
    gate, asked = asyncio.Semaphore(16), asyncio.Semaphore(0)
    logins = [asyncio.create_task(log_in(i, gate, asked)) for i in range(int(count))]
    for _ in logins:
        await asked.acquire()
    print("all asked", flush=True)
    await asyncio.gather(*logins, return_exceptions=True)

asyncio.run(main())
"""


def test_nobody_is_refused_because_many_log_in_at_once(lab):
    """As after a restart of the server: who has to wait must not take his password for wrong."""
    users = lab.run.directory / "slow-users"
    users.touch(mode=0o600)
    users.write_text("slow:$2b$13$abcdefghijklmnopqrstuuGd3X4Y9yC6a2r3L1yq2sOQn8o3p1XyK\n")
    server = programs.Server(lab, mode="tcp", user_db=users).wait_ready()
    network = lab.client_address().rsplit(".", 1)[0]
    sources = [f"{network}.{last}" for last in range(20, 28)]
    lab.client.batch(*(f"address add {source}/24 dev out0" for source in sources))
    try:
        many = Process(lab.run, "many-logins",
                       [sys.executable, "-c", MANY_LOGINS, lab.server_address(), programs.PORT,
                        "slow", MANY, *sources], lab.client.namespace)
        many.wait_for_log("all asked", 60)
        server.wait_for_metric("auth_requests", MANY, 20)
        assert "too many logins at once" not in server.process.log()
        many.kill()
        server.wait_for_sessions(0, 20)
    finally:
        lab.client.batch(*(f"address delete {source}/24 dev out0" for source in sources))
