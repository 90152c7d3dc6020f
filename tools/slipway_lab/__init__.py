# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: client, server and remote host as network namespaces on one machine.

The demo, the end-to-end tests and benchmarks all build on this one package:

    runs      a run's id, its directory, and the removal of what a killed run left behind
    network   namespaces, links, addresses, forwarding and source NAT
    process   programs inside a namespace: start, wait for a condition, stop, CPU time
    pki       certificates and the user file, made once per run
    programs  slipway-server and slipway-client from YAML files, and their control sockets
    traffic   ping, curl and iperf3 through whatever is between the hosts
    httpd     the remote host's web server (a program of its own)

Everything a run makes carries its id, is written down before it is made, and is taken away again
however the run ends.
"""
