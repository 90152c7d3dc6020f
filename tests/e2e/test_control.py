# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket and slipwayctl."""

import json
import stat

import pytest

from slipway_lab import programs, traffic
from slipway_lab.process import run


@pytest.mark.asan
def test_only_root_may_ask(lab):
    server, client = programs.tunnel(lab)
    for program in (server, client):
        mode = program.control.stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_socket_is_gone_after_the_end(lab):
    server = programs.Server(lab).wait_ready()
    assert server.stop() == 0
    assert not server.control.exists()


@pytest.mark.asan
@pytest.mark.parametrize("mode", ("udp", "tcp"))
def test_status_of_both_ends_agrees(lab, mode):
    server, client = programs.tunnel(lab, {"mode": mode})
    traffic.ping(lab.client, count=1)
    mine = client.status()
    [session] = server.online()
    for key in ("cipher", "group", "session"):
        assert mine[key] == session[key]
    assert session["inside_ip"].startswith("10.125.")


@pytest.mark.asan
def test_counters_agree_with_the_traffic(lab):
    server, client = programs.tunnel(lab)
    before = server.metrics(), client.metrics()
    traffic.ping(lab.client, count=3)
    after = server.metrics(), client.metrics()
    for name in ("tunnel_to_inside", "inside_to_tunnel"):
        for old, new in zip(before, after):
            assert new[name] - old[name] == 3, name
    assert after[0]["conn_created"] == after[0]["conn_online"] == 1
    assert after[0]["sessions_current_online"] == 1


@pytest.mark.asan
def test_slipwayctl_speaks_to_people_and_to_programs(lab):
    server, client = programs.tunnel(lab)
    for program in (server, client):
        text = program.slipwayctl("status").stdout
        assert "Online" in text
        assert json.loads(program.slipwayctl("status", "--json").stdout).keys() == \
            program.status().keys()
        metrics = json.loads(program.slipwayctl("metrics", "--json").stdout)
        lines = dict(line.rsplit(" ", 1) for line in program.slipwayctl("metrics").stdout.splitlines())
        assert lines.keys() == metrics.keys()


@pytest.mark.parametrize("arguments, words", (
    ((), "a command is missing"),
    (("start",), "unknown command: start"),
    (("status", "all"), "unexpected argument: all"),
    (("--wait", "status"), "unrecognized option '--wait'"),
    (("-x", "status"), "invalid option -- 'x'"),
), ids=("nothing", "command", "argument", "long", "short"))
@pytest.mark.asan
def test_wrong_use_of_slipwayctl(arguments, words):
    done = run([programs.program("slipwayctl"), *arguments], check=False)
    assert done.returncode == 2
    assert done.stderr == f"slipwayctl: {words}\nTry 'slipwayctl --help'.\n"
    assert done.stdout == ""


def test_slipwayctl_without_a_program(lab):
    nowhere = lab.run.directory / "nowhere.ctl"
    done = run([programs.program("slipwayctl"), "status", "--socket", nowhere], check=False)
    assert done.returncode == 1
    assert str(nowhere) in done.stderr


@pytest.mark.asan
def test_rubbish_requests_are_answered_and_do_no_harm(lab):
    server = programs.Server(lab).wait_ready()
    assert programs.ask(server.control, "nonsense").startswith("error: ")
    assert programs.ask(server.control, "").startswith("error: ")
    assert server.status()["sessions"] == []


# Of the stock server; what of its names is left out is in docs/compatibility.md.
STOCK_METRICS = """
    conn_accept_failed connection_accept_proxy_header_failed conn_create_failed conn_created conn_link_up
    conn_online conn_rejected_no_free_ip conn_rejected_access_denied conn_tls_error conn_unknown_error
    conn_aged_out user_auth_eviction conn_client_closed conn_stale_closed conn_closed key_update_start
    key_update_complete to_link_up_time to_online_time udp_conn_recovered_via_session
    udp_session_rotation_begin udp_session_rotation_finalized
    udp_session_rotation_attempted_via_replay udp_bad_packet_version udp_rejected_session
    udp_parse_wire_failed udp_no_header udp_recv_truncated udp_recv_invalid_addr
    udp_recv_missing_pktinfo udp_send_batch_size tun_rejected_packet_invalid_state
    tun_rejected_packet_invalid_inside_packet tun_rejected_packet_no_connection tun_from_client
    tun_to_client sessions_current_online sessions_lifetime_total sessions_pending_id_rotations
    sessions_active_5m sessions_active_15m sessions_active_60m sessions_standby_5m
    sessions_standby_15m sessions_standby_60m assigned_internal_ips conn_alloc_frag_map
    session_id_mismatch inside_io_send_failed received_encoding_req_non_online
    received_encoding_req_with_tcp received_encoding_res_as_server
    received_encoding_req_no_authorization expresslane_decrypt_no_key expresslane_decrypt_failed
    gso_send_failed gso_none_checksum_skipped tun_recv_gso_short_read
""".split()


def test_metrics_have_the_names_of_the_stock_server(lab):
    server = programs.Server(lab, mode="both").wait_ready()
    there = {name.split("{")[0].removesuffix("_bucket") for name in server.metrics()}
    assert set(STOCK_METRICS) - there == set()


def test_statistics_are_logged_once_an_interval(lab):
    """With the fields of the stock server."""
    server, _ = programs.tunnel(lab, {"statistics_reporting_interval": "1s"})
    traffic.ping(lab.client, count=1)

    def last(what):
        lines = [line for line in server.process.log().splitlines() if what in line]
        return dict(word.split("=") for word in lines[-1].split() if "=" in word) if lines else {}
    server.process.wait_for(lambda: last("Session Statistics").get("active_5m") == "1", 10,
                            "statistics of a session that moved a packet")
    assert last("Session Statistics") == {
        "total": "1", "current": "1", "active_5m": "1", "active_15m": "1", "active_60m": "1",
        "standby_5m": "0", "standby_15m": "0", "standby_60m": "0",
        "pending_session_id_rotations": "0"}
    assert last("IP Statistics") == {"current": "1"}
    count = server.process.log().count("Session Statistics")
    server.process.wait_for(lambda: server.process.log().count("Session Statistics") >= count + 2, 10,
                            "two more of them")
