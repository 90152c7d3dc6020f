# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are none: what listens where a client looks for its server, and is something else.

As a program: strange.py KIND ADDRESS PORT. KIND is udp-silent, tcp-silent (accepts, never says
anything), tcp-closes (accepts and closes) or tcp-garbage (answers with what is no TLS).
"""

import itertools
import socket
import sys

from pathlib import Path

_numbers = itertools.count(1)


class Stranger:
    """One of them, on the server's host."""

    def __init__(self, lab, kind, port, address="0.0.0.0"):
        from .process import Process
        self.process = Process(lab.run, f"stranger-{next(_numbers)}",
                               [sys.executable, Path(__file__), kind, address, port],
                               lab.server.namespace)
        self.process.wait_for_log("ready")

    def heard(self):
        """How many connections or datagrams have come."""
        return self.process.log().count("heard")


def main(kind, address, port):
    transport, manner = kind.split("-")
    stream = transport == "tcp"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((address, int(port)))
        if stream:
            own.listen(16)
        print("ready", flush=True)
        kept = []
        while True:
            if not stream:
                own.recv(65536)
                print("heard", flush=True)
                continue
            connection, _ = own.accept()
            print("heard", flush=True)
            if manner == "garbage":
                connection.recv(65536)
                connection.sendall(b"220 mail.example.net ESMTP\r\n")
            if manner == "closes":
                connection.close()
            else:
                kept.append(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
