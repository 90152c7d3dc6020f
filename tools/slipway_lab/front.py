# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer: passes TCP connections on, with a PROXY protocol header in front.

Usage: front.py LISTEN-ADDRESS PORT TO-ADDRESS PORT HEADER-IN-HEX

The header is sent in two pieces, so that its receiver has to wait for the second one.
"""

import socket
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def pass_on(client, to, header):
    with client, socket.create_connection(to) as server:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        half = len(header) // 2
        for piece in (header[:half], header[half:]):
            server.sendall(piece)
        back = threading.Thread(target=pump, args=(server, client))
        back.start()
        pump(client, server)
        back.join()


def main(listen_address, listen_port, to_address, to_port, header):
    family = socket.AF_INET6 if ":" in listen_address else socket.AF_INET
    with socket.create_server((listen_address, int(listen_port)), family=family) as listener:
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=pass_on, daemon=True,
                             args=(client, (to_address, int(to_port)), bytes.fromhex(header))).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
