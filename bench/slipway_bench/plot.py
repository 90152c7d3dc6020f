# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture: rates of the headline loads, every system beside the limit."""

from . import figures, plan, report

COLOURS = {figures.BEST: "#0b6e4f", figures.OFF: "#8fc9a9", figures.DTLS: "#2f9e6e",
           figures.TCP: "#5cb88a", figures.LIMIT: "#444444"}
OTHERS = ("#d1495b", "#edae49", "#00798c", "#8d5a97", "#b07d62")


def draw(cells, path):
    """Writes a PNG. "no tunnel" would dwarf the rest. None, or why there is no picture."""
    settings = [s for s in (plan.PASS_THROUGH, plan.NIC_LIKE)
                if any(cell["setting"] == s for cell in cells)]
    if not settings:
        return "no rates were measured"
    try:
        import matplotlib
    except ImportError:
        return "matplotlib is not installed (Debian: python3-matplotlib)"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(settings), 1, figsize=(11, 4 * len(settings)),
                                   squeeze=False, constrained_layout=True)
    for axis, setting in zip(axes[:, 0], settings):
        draw_setting(axis, setting, cells)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return None


def draw_setting(axis, setting, cells):
    rates = {(c["system"], report.load_of(c)): c["gbits"] for c in cells
             if c["setting"] == setting and c["system"] != "no tunnel"}
    loads = [load for load in plan.BULK if any(place[1] == load for place in rates)]
    names = list(dict.fromkeys(name for name, load in rates if load in loads))
    others = iter(OTHERS * len(names))
    width = 0.85 / max(1, len(names))
    for number, name in enumerate(names):
        mine = [(i, rates[name, load]) for i, load in enumerate(loads) if (name, load) in rates]
        colour = COLOURS.get(name) or next(others)
        axis.bar([i + (number - (len(names) - 1) / 2) * width for i, _ in mine],
                 [rate for _, rate in mine], width, label=name, color=colour)
    axis.set_xticks(range(len(loads)), [str(load) for load in loads])
    axis.set_ylabel("Gbit/s")
    axis.set_title(f"{setting}: TCP flows through client, server and remote host")
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
