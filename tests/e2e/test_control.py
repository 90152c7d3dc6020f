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
