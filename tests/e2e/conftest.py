# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the end-to-end tests.

The programs come from SLIPWAY_BUILD (default: build/), so the sanitized build is tested by the same
tests. Hosts are made once per shape and shared; programs belong to one test each: whatever a test
started is stopped after it, has to end well, and shows its log if the test failed.

Marks: "serial" tests look at rates and batches and want the machine for themselves, "asan" tests
are repeated with the build that looks for memory errors, "tsan" tests with the one that looks for
data races, "scenario" tests mostly wait, so that four of them go well on two processors.
"""

import signal
import threading
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from slipway_lab import network, programs, runs, traffic  # noqa: E402
from slipway_lab.process import Failed, Process  # noqa: E402

SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                   "WARNING: ThreadSanitizer")


def pytest_addoption(parser):
    parser.addoption("--flood", type=int, default=200_000, metavar="N",
                     help="datagrams of the flood test (default: 200000)")
    parser.addoption("--cycles", type=int, default=300, metavar="N",
                     help="clients that come and go in the test for leaks (default: 300)")


def pytest_configure(config):
    config.addinivalue_line("markers", "serial: measures; nothing else should run beside it")
    config.addinivalue_line("markers", "scenario: mostly waits; several can run at once")
    config.addinivalue_line("markers", "asan: also run with the sanitized build")
    config.addinivalue_line("markers", "tsan: also run with the build for data races")

    for name in ("slipway-server", "slipway-client", "slipwayctl", "tools/impair", "tools/flood",
                 "tools/loadgen"):
        try:
            programs.program(name)
        except Failed as missing:
            raise pytest.UsageError(str(missing)) from None

    def leave(number, _frame):
        pytest.exit(f"signal {number}", returncode=128 + number)

    # xdist may run its workers in a thread that is not the main one, where no handler can be set;
    # the process that started them has one and ends them.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)


def make_lab(**shape):
    """Hosts with a web server, and at the end the proof that nothing of them is left."""
    run = runs.Run()
    try:
        lab = network.Lab(run, **shape)
        web = traffic.WebServer(lab)
        yield lab
        web.process.kill()
        left = [process for process in run.processes() if runs.is_alive(*process)]
        strays = {name: runs.pids_in_namespace(name) for name in run.namespaces()}
    finally:
        run.close()
    assert not left, f"programs still run: {left}"
    assert not any(strays.values()), f"processes are left in namespaces: {strays}"
    assert not run.namespaces(), "namespaces are left"
    assert not run.directory.exists(), "the run's directory is left"


@pytest.fixture(scope="session")
def lab():
    """One client, the server, the remote host."""
    yield from make_lab()


@pytest.fixture(scope="module")
def router_lab():
    """With a router between client and server, the place for relays."""
    yield from make_lab(router=True)


@pytest.fixture(scope="module")
def few_lab():
    """Four clients."""
    yield from make_lab(clients=4)


@pytest.fixture(scope="module")
def wide_lab():
    """Eight clients."""
    yield from make_lab(clients=8)


@pytest.fixture(scope="module")
def own_lab():
    """As lab, for a module that changes links or devices of the hosts."""
    yield from make_lab()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    """Notes what fixtures started: the rest belongs to the test, and ends before the fixtures do,
    so that no program loses its devices while it runs.
    """
    item.processes_before = item.programs_before = sys.maxsize
    yield
    item.processes_before = len(Process.started)
    item.programs_before = len(programs.Program.started)
    item.addfinalizer(lambda: stop_what_was_started(item))


def stop_what_was_started(item):
    """Ends every process of a test, newest first, and looks at how the programs ended."""
    mine = {p.process: p for p in programs.Program.started[item.programs_before:]}
    bad = []
    for process in reversed(Process.started[item.processes_before:]):
        if process in mine:
            bad += end_well(process)
        else:
            process.kill()
    assert not bad, "\n".join(bad)


def end_well(process):
    """Ends a program that still runs; what was wrong with its end, as a list of texts."""
    bad = []
    if process.is_running():
        try:
            status = process.stop()
        except Failed as failed:
            bad.append(str(failed))
        else:
            if status != 0:
                bad.append(f"{process.name}: exit status {status} after SIGTERM")
    elif process.returncode() < 0 and process.returncode() != -signal.SIGKILL:
        bad.append(f"{process.name} died of signal {-process.returncode()}")
    if any(word in process.log() for word in SANITIZER_WORDS):
        bad.append(f"{process.name}: a sanitizer found something")
    return bad


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Puts logs, and the counters of programs that still run, into the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for process in Process.started[item.processes_before:]:
        if process.log_path.exists():
            report.sections.append((f"log of {process.name}", process.log_end(100)))
    for program in programs.Program.started:
        if program.is_running():
            report.sections.append((f"metrics of {program.name}", nonzero_metrics(program)))


def nonzero_metrics(program):
    try:
        metrics = program.metrics()
    except (OSError, ValueError) as error:
        return f"no answer: {error}"
    return "\n".join(f"{name} {value}" for name, value in metrics.items() if value)
