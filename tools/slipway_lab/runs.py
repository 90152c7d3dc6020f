# SPDX-License-Identifier: GPL-3.0-or-later
"""A run: one owner process, one id, one directory, and nothing left behind.

/run/slipway-lab/<id>/ holds the files of a run: logs, configurations, control sockets, and three
lists that are written before the thing itself is made:

    owner        pid and start time of the process that this run belongs to
    namespaces   one name per line
    processes    pid and start time of every long-lived program

A run cleans up after itself. One that was killed cannot; so every new run first looks for
directories whose owner is gone and does it for them. A pid counts only together with its start
time: pids are reused.
"""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path("/run/slipway-lab")
NETNS = Path("/run/netns")


def start_time(pid):
    """Start of a living process in clock ticks since boot, None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid, started):
    return started is not None and start_time(pid) == started


def read_processes(path):
    """[(pid, start time)] of a list file; a line that was cut short counts as absent."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    matches = (re.fullmatch(r"(\d+) (\d+)", line) for line in lines)
    return [(int(m[1]), int(m[2])) for m in matches if m]


def kill_processes(processes, grace=3.0):
    """SIGTERM, and SIGKILL to those that are there after grace seconds. Returns how many that were."""
    left = [p for p in processes if is_alive(*p)]
    for pid, _ in left:
        send_signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [p for p in left if is_alive(*p)]
    for pid, _ in left:
        send_signal(pid, signal.SIGKILL)
    while any(is_alive(*p) for p in left):
        time.sleep(0.02)
    return len(left)


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def pids_in_namespace(name):
    """Every process in a network namespace, as (pid, start time)."""
    try:
        wanted = os.stat(NETNS / name)
    except FileNotFoundError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            there = os.stat(entry / "ns/net")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append((int(entry.name), start_time(entry.name)))
    return found


def remove_namespace(name):
    """Ends whatever runs in the namespace and deletes it, with its devices. Absent is fine."""
    strays = pids_in_namespace(name)
    kill_processes(strays)
    if (NETNS / name).exists():
        subprocess.run(["ip", "netns", "delete", name], check=True, stdin=subprocess.DEVNULL)
    return strays


def remove_leftovers():
    """Cleans up after runs whose owner was killed. Returns their ids."""
    removed = []
    if not STATE.is_dir():
        return removed
    for directory in sorted(STATE.iterdir()):
        owner = read_processes(directory / "owner")
        if any(is_alive(*process) for process in owner):
            continue
        # Made by a process that has not come to write its name yet, or died before it did.
        if not owner and time.time() - directory.stat().st_mtime < 60:
            continue
        clean_directory(directory)
        removed.append(directory.name)
    return removed


def clean_directory(directory):
    """Ends the processes and deletes the namespaces that a run's directory lists, then deletes it."""
    strays = kill_processes(read_processes(directory / "processes"))
    try:
        names = (directory / "namespaces").read_text().split()
    except FileNotFoundError:
        names = []
    for name in names:
        # Only what carries the run's id can be its own.
        if name.startswith(directory.name + "-"):
            strays += len(remove_namespace(name))
    shutil.rmtree(directory, ignore_errors=True)
    return strays


class Run:
    """One run. close() undoes everything; it is also called when the interpreter ends."""

    def __init__(self):
        if os.geteuid() != 0:
            raise PermissionError("network namespaces need root")
        remove_leftovers()
        STATE.mkdir(mode=0o755, exist_ok=True)
        self.id = "sw" + os.urandom(3).hex()
        self.directory = STATE / self.id
        self.directory.mkdir(mode=0o700)
        self.pid = os.getpid()
        (self.directory / "owner").write_text(f"{self.pid} {start_time(self.pid)}\n")
        self.closed = False
        atexit.register(self.close)

    def add_namespace(self, role):
        """Writes the name of a namespace down and returns it; the caller makes the namespace."""
        name = f"{self.id}-{role}"
        with (self.directory / "namespaces").open("a") as file:
            file.write(name + "\n")
        return name

    def add_process(self, pid):
        started = start_time(pid)
        if started is not None:
            with (self.directory / "processes").open("a") as file:
                file.write(f"{pid} {started}\n")

    def processes(self):
        """Every process that was ever added, as (pid, start time)."""
        return read_processes(self.directory / "processes")

    def namespaces(self):
        return sorted(p.name for p in NETNS.glob(self.id + "-*"))

    def close(self):
        """Removes everything. A forked child that ends must not do it for its parent."""
        if self.closed or os.getpid() != self.pid:
            return
        self.closed = True
        atexit.unregister(self.close)
        # A second Ctrl-C must not leave half of it behind.
        previous = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            try:
                previous[number] = signal.signal(number, signal.SIG_IGN)
            except ValueError:  # not the main thread: nothing can interrupt this one
                break
        try:
            clean_directory(self.directory)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def exit_on_signals():
    """SIGTERM and SIGHUP end the program the way Ctrl-C does: through every clean-up on the way."""

    def leave(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    # A shell's background job starts with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
