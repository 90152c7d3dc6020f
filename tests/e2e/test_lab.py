# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory itself and the demo: they show what they promise and leave nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_lab import runs
from slipway_lab.process import wait_until

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tools/demo"

OWNER_THAT_WAITS = """
import sys, time
sys.path.insert(0, {tools!r})
from slipway_lab import network, runs, traffic
run = runs.Run()
lab = network.Lab(run)
traffic.WebServer(lab)
print(run.id, flush=True)
time.sleep(600)
"""


def namespaces_of(run_id):
    return sorted(path.name for path in runs.NETNS.glob(f"{run_id}-*"))


def test_leftovers_of_a_killed_run_are_removed_by_the_next():
    owner = subprocess.Popen([sys.executable, "-c",
                              OWNER_THAT_WAITS.format(tools=str(ROOT / "tools"))],
                             stdout=subprocess.PIPE, text=True, start_new_session=True)
    run_id = owner.stdout.readline().strip()
    processes = runs.read_processes(runs.STATE / run_id / "processes")
    assert namespaces_of(run_id) and any(runs.is_alive(*p) for p in processes)
    runs.remove_leftovers()
    assert namespaces_of(run_id), "a living run is left alone"

    owner.kill()
    owner.wait()
    with runs.Run():
        assert not namespaces_of(run_id)
        assert not (runs.STATE / run_id).exists()
        wait_until(lambda: not any(runs.is_alive(*p) for p in processes), 5, "its programs end")


def start_demo(*arguments):
    return subprocess.Popen([DEMO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True)


@pytest.mark.parametrize("number, status", ((signal.SIGINT, 130), (signal.SIGTERM, 143)))
def test_demo_cleans_up_when_interrupted(number, status):
    demo = start_demo("--seconds", "60")
    try:
        output = ""
        while "iperf3" not in output:
            line = demo.stdout.readline()
            assert line, demo.communicate()
            output += line
        run_id = re.search(r"\b(sw[0-9a-f]{6})-client\b", output)[1]
        assert namespaces_of(run_id)
        os.killpg(demo.pid, number)
        demo.communicate(timeout=20)
    finally:
        demo.kill()
    assert demo.returncode == status
    assert not namespaces_of(run_id)
    assert not (runs.STATE / run_id).exists()


@pytest.mark.serial
def test_demo_ends_with_the_table():
    demo = start_demo("--seconds", "2")
    try:
        output, errors = demo.communicate(timeout=120)
    finally:
        demo.kill()
    assert demo.returncode == 0, output + errors
    for row in (r"^download +off( +[\d.,]+){3}", r"^download +on( +[\d.,]+){5}",
                r"^upload +off( +[\d.,]+){3}", r"^upload +on( +[\d.,]+){3}"):
        assert re.search(row, output, re.MULTILINE), output
    run_id = re.search(r"\b(sw[0-9a-f]{6})-client\b", output)[1]
    assert not namespaces_of(run_id)
