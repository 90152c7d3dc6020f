# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients at once."""

import pytest

from slipway_lab import programs, traffic

SIZE = 16_000_000


@pytest.mark.asan
@pytest.mark.parametrize("mode, offload", (("udp", True), ("udp", False), ("tcp", True)),
                         ids=("udp-on", "udp-off", "tcp-on"))
def test_eight_clients_download_at_once(wide_lab, mode, offload):
    """Everybody gets a file of his own, whole: no segment ends up with a neighbour."""
    lab = wide_lab
    server = programs.Server(lab, mode=mode, enable_tun_offload=offload).wait_ready()
    clients = [programs.Client(lab, index=i, mode=mode) for i in range(len(lab.clients))]
    for client in clients:
        client.wait_online(timeout=20)
    assert len(server.online()) == len(clients)
    assert len({session["inside_ip"] for session in server.online()}) == len(clients)

    downloads = [traffic.Download(lab, host, SIZE, seed=i) for i, host in enumerate(lab.clients)]
    for download in downloads:
        download.finish()
    for host in lab.clients:
        traffic.upload(lab.run, host, 1_000_000)
    for client in clients:
        assert client.stop() == 0
    server.wait_for_sessions(0)
