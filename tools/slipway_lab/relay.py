# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/impair on the router: what a client that connects to it goes through."""

import itertools
import json

from .process import Process
from .programs import PORT, program

ROUTER = "192.168.200.1"
_numbers = itertools.count(1)


class Relay:
    """arguments: of tools/impair, beyond the addresses."""

    def __init__(self, lab, *arguments):
        number = next(_numbers)
        self.address = f"{ROUTER}:{PORT}"
        self.process = Process(lab.run, f"impair-{number}",
                               [program("tools/impair"), "--listen", self.address,
                                "--to", f"{lab.server_address()}:{PORT}", *arguments],
                               lab.router.namespace)
        self.process.wait_for_log("ready")

    def finish(self):
        """Ends it; its counts as {"to_server": {"lost": ..}, "to_client": ..}."""
        self.process.stop()
        return json.loads(self.process.log().splitlines()[-1])
