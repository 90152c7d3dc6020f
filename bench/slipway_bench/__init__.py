# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench: what Slipway, its limit and its rivals do in the same run on the same machine.

    systems   what is measured: how each kind of tunnel is brought up between the lab's hosts
    measure   one window of bulk flows through a tunnel, with everything it cost
    plan      which systems carry which loads in which setting, how often
    figures   medians of cells, ratios of interleaved runs and their goals
    report    the tables
    plot      the picture

It stands on tools/slipway_lab, which makes hosts and traffic.
"""
