# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs inside a namespace.

A Process is a long-lived program with its output in a log file of the run. run() is for commands
that end by themselves. Both enter the namespace with nsenter, which replaces itself: the pid is the
program's own. Both die with the process that started them, even when that one is killed.

Waiting is always for a condition with a deadline, never for a time to pass.
"""

import ctypes
import os
import shlex
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.02

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """Something on the way did not happen; the text says what and shows the logs' ends."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _inside(namespace, argv):
    argv = [str(argument) for argument in argv]
    return argv if namespace is None else ["nsenter", f"--net=/run/netns/{namespace}", *argv]


def wait_until(condition, timeout, what):
    """Polls until condition() is true and returns its value. Failed after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout:g} s")
        time.sleep(POLL_SECONDS)


def run(argv, namespace=None, timeout=30, check=True, **options):
    """Runs a command to its end, its output as text in .stdout and .stderr."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if options["stdin"] is None:
        del options["stdin"]
    try:
        done = subprocess.run(_inside(namespace, argv), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout,
                              start_new_session=True, preexec_fn=_die_with_parent, **options)
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"")[-2000:]
        raise Failed(f"{shlex.join(map(str, argv))}: not done within {timeout:g} s: "
                     f"{output!r}") from None
    if check and done.returncode != 0:
        raise Failed(f"{shlex.join(map(str, argv))}: exit status {done.returncode}: "
                     f"{(done.stderr + done.stdout)[-2000:].strip()}")
    return done


class Process:
    started = []  # every one of this interpreter, in order

    def __init__(self, run_, name, argv, namespace=None, environment=None, directory=None):
        """name: of the log file, in the run's directory; it must be new there. directory: to work
        in."""
        self.name = name
        self.argv = [str(argument) for argument in argv]
        self.log_path = run_.directory / f"{name}.log"
        with self.log_path.open("xb") as log:
            self.popen = subprocess.Popen(_inside(namespace, self.argv), stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=subprocess.STDOUT,
                                          env={**os.environ, **(environment or {})},
                                          cwd=directory,
                                          start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self.popen.pid
        run_.add_process(self.pid)
        Process.started.append(self)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_end(self, lines=20):
        return "\n".join(self.log().splitlines()[-lines:])

    def is_running(self):
        return self.popen.poll() is None

    def returncode(self):
        """None while it runs; negative: the signal that ended it."""
        return self.popen.poll()

    def wait_for(self, condition, timeout, what):
        """As wait_until(), but ends at once when the program ends."""

        def check():
            value = condition()
            if not value and not self.is_running():
                raise Failed(f"{self.name} ended with status {self.returncode()} before: {what}\n"
                             f"{self.log_end()}")
            return value

        try:
            return wait_until(check, timeout, f"{self.name}: {what}")
        except Failed as failed:
            if self.is_running():
                raise Failed(f"{failed}\n{self.log_end()}") from None
            raise

    def wait_for_log(self, text, timeout=5):
        self.wait_for(lambda: text in self.log(), timeout, f"{text!r} in its log")

    def wait_for_end(self, timeout):
        """Waits until the program ends by itself; its exit status."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {timeout:g} s\n{self.log_end()}") from None

    def signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def stop(self, timeout=5):
        """SIGTERM; SIGKILL and Failed if that does not end it. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {timeout:g} s of SIGTERM\n"
                         f"{self.log_end()}") from None

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def cpu_seconds(self):
        """User and system time of all its threads up to now."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
