# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, and what those read who do not."""

import pytest

from slipway_lab import programs, traffic
from slipway_lab.by_hand import AUTH_FAILURE, AUTH_SUCCESS, GOODBYE, ByHand
from slipway_lab.pki import BCRYPT_USER, PASSWORD, USER
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
