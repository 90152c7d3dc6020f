# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration as a person meets it: mistakes are named, stock files load."""

import json

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run


def start(lab, binary, text, *arguments):
    """Runs a program with this configuration file until it ends by itself."""
    path = lab.run.directory / "bad.yaml"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
    return path, run([programs.program(binary), "-c", path, *arguments], check=False, timeout=10,
                     namespace=lab.server.namespace)


BAD = (
    ("slipway-server", "mode: udp\nbind_adress: 0.0.0.0:1\n", 2, ("bind_adress",)),
    ("slipway-server", "mode: carrier-pigeon\n", 1, ("mode", "carrier-pigeon", "tcp", "udp")),
    ("slipway-server", "\n\nip_pool: 10.0.0.0/33\n", 3, ("ip_pool", "10.0.0.0/33")),
    ("slipway-server", "key_update_interval: 15\n", 1, ("key_update_interval", "15")),
    ("slipway-server", "mode: udp\nmode: tcp\n", 2, ("mode",)),
    ("slipway-server", "enable_pqc: maybe\n", 1, ("enable_pqc", "maybe")),
    ("slipway-client", "mode: udp\noutside_mtu: 70000\n", 2, ("outside_mtu", "70000")),
    ("slipway-client", "keepalive_interval: 0s\n", 1, ("keepalive_interval", "0s")),
    ("slipway-client", "server: no-port\n", 1, ("server", "no-port")),
    ("slipway-client", f"server_dn: {254 * 'a'}\n", 1, ("server_dn", "aaa", "at most 253 bytes")),
)


@pytest.mark.asan
@pytest.mark.parametrize("binary, text, line, words", BAD,
                         ids=[f"{b[0]}-{b[3][0]}-{i}" for i, b in enumerate(BAD)])
def test_mistake_is_named_with_file_and_line(lab, binary, text, line, words):
    path, done = start(lab, binary, text)
    assert done.returncode == 1
    messages = [m for m in done.stderr.splitlines() if f"{path}:{line}" in m]
    assert messages, done.stderr + done.stdout
    assert any(all(word in message for word in words) for message in messages), messages


def test_key_of_another_certificate_is_named(lab):
    certificate, _ = lab.pki.server
    other = lab.run.directory / "other.key"
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-out", other])
    no_key = lab.run.directory / "no.key"
    no_key.write_text(certificate.read_text())
    for path in (other, no_key):
        path.chmod(0o600)
    for key, pem, words in (("server_key", no_key, ("private key",)),
                            ("server_key", other, ("belongs to server_cert", str(certificate))),
                            ("server_cert", other, ("certificate",))):
        options = {"server_cert": certificate, "server_key": lab.pki.server[1], key: pem}
        text = "".join(f"{k}: {v}\n" for k, v in options.items()) + f"user_db: {lab.pki.users}\n"
        _, done = start(lab, "slipway-server", text)
        assert done.returncode == 1
        message = done.stderr.splitlines()[-1]
        assert all(word in message for word in (key, str(pem), *words)), message
        assert "unknown error" not in message


def test_second_server_is_tried_when_the_first_is_not_there(lab):
    programs.Server(lab).wait_ready()
    address = lab.server_address(0)
    common = {"mode": "tcp", "server_dn": programs.SERVER_NAME}
    client = programs.Client(lab, servers=[
        {**common, "server": f"{address}:1"},
        {**common, "server": f"{address}:{programs.PORT}", "mode": "udp"}])
    client.wait_online()
    assert client.status()["server"] == f"{address}:{programs.PORT}"


def test_no_configuration_file(lab):
    for binary in ("slipway-server", "slipway-client"):
        done = run([programs.program(binary)], check=False)
        assert done.returncode == 2
        assert "config" in done.stderr
        missing = lab.run.directory / "missing.yaml"
        done = run([programs.program(binary), "-c", missing], check=False)
        assert done.returncode == 1
        assert str(missing) in done.stderr


@pytest.mark.parametrize("binary", ("slipway-server", "slipway-client", "slipwayctl"))
def test_help_and_misuse(binary):
    done = run([programs.program(binary), "--help"])
    assert binary in done.stdout
    done = run([programs.program(binary), "--no-such-flag"], check=False)
    assert done.returncode == 2
    assert "no-such-flag" in done.stderr


def test_client_file_that_others_can_read_is_refused(lab):
    path = lab.run.directory / "open.yaml"
    path.write_text("server: 192.0.2.1:1\nuser: a\npassword: b\n")
    path.chmod(0o644)
    done = run([programs.program("slipway-client"), "-c", path], check=False)
    assert done.returncode == 1
    assert str(path) in done.stderr


def test_command_line_wins_over_environment_over_file(lab):
    server = programs.Server(lab, mode="tcp", bind_address="0.0.0.0:1000",
                             arguments=("--bind-address", f"0.0.0.0:{programs.PORT}"),
                             environment={"LW_SERVER_MODE": "udp",
                                          "LW_SERVER_BIND_ADDRESS": "0.0.0.0:1001"})
    server.wait_ready()
    programs.Client(lab).wait_online()
    traffic.ping(lab.client, count=1)


def test_option_of_a_later_version_warns_once_and_runs(lab):
    server, client = programs.tunnel(lab, {"tls_debug": True},
                                     {"tls_debug": True, "route_mode": "noexec"})
    for program, option in ((server, "tls_debug"), (client, "tls_debug")):
        warnings = [line for line in program.process.log().splitlines()
                    if option in line and "warn" in line.lower()]
        assert len(warnings) == 1, program.process.log()


def test_password_is_not_in_the_log(lab):
    _, client = programs.tunnel(lab, {"log_level": "trace"}, {"log_level": "trace"})
    for program in programs.Program.started[-2:]:
        assert client.options["password"] not in program.process.log()


def test_log_filter_of_stock_programs_keeps_nobody_from_starting(lab):
    filters = "lightway_server=trace,lightway_core::connection[conn{id=7}]=debug,tun=off,warn"
    server = programs.Server(lab, environment={"LW_SERVER_RUST_LOG": filters}).wait_ready()
    client = programs.Client(lab, environment={"LW_CLIENT_RUST_LOG": filters}).wait_online()
    assert " INFO " not in server.process.log() + client.process.log()


def test_environment_works_for_every_name(lab):
    """An underscore in a name keeps stock programs from starting."""
    programs.Server(lab, enable_pqc=False, environment={
        "LW_SERVER_ENABLE_PQC": "true", "LW_SERVER_LOG_LEVEL": "debug"}).wait_ready()
    client = programs.Client(lab, environment={"LW_CLIENT_KEEPALIVE_INTERVAL": "2s",
                                               "LW_CLIENT_SERVER_DN": programs.SERVER_NAME})
    client.wait_online()
    assert "MLKEM" in client.status()["group"]


@pytest.mark.parametrize("binary", ("slipway-server", "slipway-client"))
def test_generated_file_is_a_start(lab, binary):
    """Written with every option; what is left to do is said, and nothing else is."""
    path = lab.run.directory / f"{binary}.yaml"
    done = run([programs.program(binary), "--generate", "yaml", "-c", path])
    assert str(path) in done.stdout and path.stat().st_mode & 0o777 == 0o600
    done = run([programs.program(binary), "-c", path], check=False, timeout=10,
               namespace=lab.server.namespace)
    assert done.returncode == 1
    assert all("server" in line or "user_db" in line for line in done.stderr.splitlines())
    schema = lab.run.directory / f"{binary}.json"
    run([programs.program(binary), "--generate", "jsonschema", "-c", schema])
    assert "tun_name" in json.loads(schema.read_text())["properties"]
