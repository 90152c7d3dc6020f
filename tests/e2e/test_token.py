# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in with a JSON web token."""

import time

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run

MODES = ("udp", "tcp")
QUICK = 5  # seconds until a client that cannot get in has to be gone


def with_token(token, **more):
    return {"token": token, "user": None, "password": None, **more}


def server_for_tokens(lab, **more):
    return programs.Server(lab, token_rsa_pub_key_pem=lab.pki.token_key[1], **more).wait_ready()


def refused(lab, server, client, reason):
    """The client ends, and the server's log says why."""
    assert client.process.wait_for_end(QUICK) == programs.Exit.LOGIN
    assert "refused the login" in client.process.log()
    server.process.wait_for(lambda: f"reason={reason}" in server.process.log().replace('"', ""), 5,
                            f"the reason {reason}")
    server.wait_for_sessions(0)


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_token_lets_in_where_there_is_no_user_database(lab, mode):
    server = server_for_tokens(lab, mode=mode, user_db=None)
    token = lab.pki.token({"sub": "carol", "iss": "somebody", "nbf": int(time.time()) + 1000})
    client = programs.Client(lab, mode=mode, **with_token(token)).wait_online()
    traffic.ping(lab.client, count=1)
    [session] = server.online()
    assert session["user"] == "carol"
    assert session["protocol"] == "1.3"  # over TCP only the token tells it
    assert client.stop() == 0
    refused(lab, server, programs.Client(lab, mode=mode),
            "passwords are not accepted: user_db is not set")
    assert token not in server.process.log()


@pytest.mark.asan
@pytest.mark.parametrize("mode", MODES)
def test_users_and_tokens_go_together(lab, mode):
    server = server_for_tokens(lab, mode=mode)
    programs.Client(lab, mode=mode).wait_online().stop()
    programs.Client(lab, mode=mode, **with_token(lab.pki.token())).wait_online()
    server.wait_for_sessions(1)


def test_token_wins_over_user_and_password(lab):
    server = server_for_tokens(lab)
    programs.Client(lab, token=lab.pki.token({"sub": "carol"})).wait_online()
    assert server.online()[0]["user"] == "carol"


def test_token_from_the_environment(lab):
    server_for_tokens(lab)
    programs.Client(lab, user=None, password=None,
                    environment={"LW_CLIENT_TOKEN": lab.pki.token()}).wait_online()


@pytest.mark.asan
@pytest.mark.parametrize("claims, reason", (
    ({"exp": None}, "it has no exp claim that is a number"),
    ({"exp": "soon"}, "it has no exp claim that is a number"),
    ({"exp": 1_000_000_000}, "it has expired"),
    ({"aud": "vpn"}, "it has an aud claim"),
), ids=("no-exp", "exp-is-text", "expired", "aud"))
def test_claims_are_judged(lab, claims, reason):
    server = server_for_tokens(lab)
    client = programs.Client(lab, **with_token(lab.pki.token(claims)))
    refused(lab, server, client, f"invalid token: {reason}")


def test_token_is_good_for_a_minute_after_it_expired(lab):
    server_for_tokens(lab)
    token = lab.pki.token({"exp": int(time.time()) - 30})
    programs.Client(lab, **with_token(token)).wait_online()


@pytest.mark.parametrize("kind, reason", (
    ("other-key", "its signature is wrong"),
    ("other-algorithm", "it is not signed with RS256"),
    ("rubbish", "it is no JSON web token"),
))
def test_forged_token_is_refused(lab, kind, reason):
    server = server_for_tokens(lab)
    token = {"other-key": lab.pki.token(key=lab.pki.other_token_key[0]),
             "other-algorithm": lab.pki.token(header={"alg": "none"}),
             "rubbish": "let me in"}[kind]
    refused(lab, server, programs.Client(lab, **with_token(token)), f"invalid token: {reason}")
    assert server.metrics()["conn_rejected_access_denied"] == 1


def test_token_where_none_is_taken(lab):
    server = programs.Server(lab).wait_ready()
    refused(lab, server, programs.Client(lab, **with_token(lab.pki.token())),
            "tokens are not accepted: token_rsa_pub_key_pem is not set")


def test_key_may_be_a_certificate(lab):
    key, certificate = lab.pki.token_key[0], lab.run.directory / "tokens.crt"
    run(["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=tokens", "-days", "1",
         "-out", certificate])
    programs.Server(lab, token_rsa_pub_key_pem=certificate, user_db=None).wait_ready()
    programs.Client(lab, **with_token(lab.pki.token())).wait_online()


def test_server_without_a_usable_key_does_not_start(lab):
    server = programs.Server(lab, token_rsa_pub_key_pem=lab.pki.server[0])
    assert server.process.wait_for_end(QUICK) == 1
    assert "token_rsa_pub_key_pem: " in server.process.log()
    assert "holds no RSA public key" in server.process.log()


@pytest.mark.parametrize("option, length, most", (
    ("token", 1346, 1345), ("user", 51, 50), ("password", 51, 50)))
def test_client_refuses_what_no_frame_has_room_for(lab, option, length, most):
    client = programs.Client(lab, **{option: "x" * length})
    assert client.process.wait_for_end(QUICK) == 1
    assert f"{option}: " in client.process.log()
    assert f"has {length} bytes; expected at most {most}" in client.process.log()
    assert "x" * 40 not in client.process.log() or option == "user"
