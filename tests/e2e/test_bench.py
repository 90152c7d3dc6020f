# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench measures what it says."""

import json
import subprocess
from pathlib import Path

import pytest

from slipway_lab import programs

BENCH = Path(__file__).resolve().parents[2] / "bench"
SLIPWAY = "Slipway, Expresslane"


def start(*arguments):
    done = subprocess.run([BENCH / arguments[0], *map(str, arguments[1:])], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def report():
    name = "test"
    start("run", "quick", "--seconds", "0.5", "--only", "rates, NIC-like", "--output", name)
    path = programs.build_directory() / "bench" / f"{name}.json"
    yield json.loads(path.read_text()), path
    path.unlink()
    path.with_suffix(".png").unlink(missing_ok=True)


def cell(made, system, direction):
    return next(c for c in made["cells"]
                if c["system"] == system and c["direction"] == direction)


@pytest.mark.serial
@pytest.mark.parametrize("direction", ("down", "up"))
def test_bench_shows_rate_cost_and_latency(report, direction):
    made, _ = report
    here = cell(made, SLIPWAY, direction)
    assert here["gbits"] > 0.01
    assert here["server_cpu"] > 0 and here["client_cpu"] > 0
    assert here["ping_p50"] <= here["ping_p99"]
    # Superpackets against single packets: not a matter of some per cent.
    off = cell(made, SLIPWAY + ", offloads off", direction)
    assert here["server_calls"] < off["server_calls"] / 5


@pytest.mark.serial
def test_bench_divides_by_the_limit_of_the_same_round(report):
    made, _ = report
    if not any(c["system"] == "limit" for c in made["cells"]):
        pytest.skip("no limit without intel-ipsec-mb")
    for direction in ("down", "up"):
        rates = {r["system"]: r["gbits"] for r in made["runs"] if r["direction"] == direction}
        share = next(r for r in made["ratios"]
                     if r["text"] == f"rate, share of the limit: NIC-like, {direction} 1 flow")
        assert share["value"] == pytest.approx(rates[SLIPWAY] / rates["limit"])


@pytest.mark.serial
def test_table_is_markdown(report):
    _, path = report
    lines = start("table", path).splitlines()
    rows = [line for line in lines if line.startswith(f"| {SLIPWAY} ")]
    assert rows and all(line.startswith("|") and line.endswith("|") for line in rows)


@pytest.mark.serial
def test_bench_compares_small_packets():
    output = start("run", "quick", "--only", "small packets", "--output", "test-small")
    path = programs.build_directory() / "bench/test-small.json"
    made = json.loads(path.read_text())
    path.unlink()
    assert {r["system"] for r in made["runs"]} == {SLIPWAY, SLIPWAY + ", offloads off"}
    assert all(r["idle_us"] > 0 and r["round_trips"] > 100 for r in made["runs"])
    intervals = [r for r in made["ratios"] if "interval" in r]
    assert len(intervals) == 2
    assert all(low < r["value"] < high for r in intervals for low, high in [r["interval"]])
    assert "lost of bursts of 500 small packets" in output
