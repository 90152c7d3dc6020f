# SPDX-License-Identifier: GPL-3.0-or-later
"""A client over TCP that says what a test wants it to say, and nothing else.

As a program: by_hand.py ADDRESS PORT CA STEP…. A step is login:USER:PASSWORD, which sends an
AuthRequest, hex:BYTES, which sends those, or answer, which waits for a frame and prints its kind,
"end" for the end of the connection.
"""

import itertools
import socket
import ssl
import sys

from pathlib import Path

AUTH_SUCCESS, AUTH_FAILURE, GOODBYE = "6", "7", "12"
PATIENCE = 10  # seconds for an answer
# Frames of a fixed size (docs/protocol/wire.md §6.2), and where others have their length.
SIZES = {6: 105, 7: 53, 12: 1}
LENGTH_AT = {2: 3, 3: 3, 5: 1}

_numbers = itertools.count(1)


class ByHand:
    """One of them, on the client's host, while and after it runs."""

    def __init__(self, lab, port, *steps):
        from .process import Process
        self.process = Process(lab.run, f"by-hand-{next(_numbers)}",
                               [sys.executable, Path(__file__), lab.server_address(), port,
                                lab.pki.ca, *steps],
                               lab.client.namespace)

    def answers(self):
        """What it was told, once it has ended."""
        assert self.process.wait_for_end(3 * PATIENCE) == 0, self.process.log()
        return self.process.log().split()


def login(user, password):
    fields = user.encode(), password.encode()
    return b"".join([b"\x04\x01", *(bytes([len(f)]) for f in fields),
                     *(f.ljust(50, b"\0") for f in fields)])


def frame_size(data):
    """Of the frame at the head of data; None if it is not there yet."""
    if data[0] in SIZES:
        return SIZES[data[0]]
    at = LENGTH_AT[data[0]]
    return at + 2 + int.from_bytes(data[at:at + 2], "big") if len(data) >= at + 2 else None


def frames(connection):
    data = b""
    while chunk := connection.recv(4096):
        data += chunk
        while data and (size := frame_size(data)) is not None and len(data) >= size:
            yield data[0]
            data = data[size:]


def main(address, port, authority, *steps):
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    plain = socket.create_connection((address, int(port)), PATIENCE)
    with context.wrap_socket(plain) as connection:
        answers = frames(connection)
        for step in steps:
            what, _, rest = step.partition(":")
            if what == "login":
                connection.sendall(login(*rest.split(":")))
            elif what == "hex":
                connection.sendall(bytes.fromhex(rest))
            else:
                print(next(answers, "end"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
