# SPDX-License-Identifier: GPL-3.0-or-later
"""The remote host's web server.

    GET /                   {"ip": the address the request came from, "port": ...}
    GET /data/BYTES/SEED    that many bytes, always the same for a seed
    PUT /                   {"bytes": ..., "sha256": ...} of what was sent

Usage: httpd.py ADDRESS PORT
"""

import functools
import hashlib
import http.server
import json
import random
import sys
import threading

CHUNK = 256 * 1024
_lock = threading.Lock()


@functools.lru_cache(maxsize=16)
def _payload(size, seed):
    return random.Random(seed).randbytes(size)


def payload(size, seed):
    """The body of /data/SIZE/SEED. Concurrent requests for one body make it once."""
    with _lock:
        return _payload(size, seed)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply_json(self, value):
        body = (json.dumps(value) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts == [""]:
            self.reply_json({"ip": self.client_address[0], "port": self.client_address[1]})
        elif len(parts) == 3 and parts[0] == "data":
            body = memoryview(payload(int(parts[1]), int(parts[2])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for start in range(0, len(body), CHUNK):
                self.wfile.write(body[start:start + CHUNK])
        else:
            self.send_error(404)

    def do_PUT(self):
        left = size = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left > 0:
            chunk = self.rfile.read(min(left, CHUNK))
            if not chunk:
                return
            digest.update(chunk)
            left -= len(chunk)
        self.reply_json({"bytes": size, "sha256": digest.hexdigest()})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
