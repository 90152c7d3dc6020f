# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, in Markdown that is also laid out for a terminal."""

from . import plan
from .measure import Load


def table(head, rows, left=1):
    """left: so many first columns are text, the others numbers."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row):
        parts = (cell.ljust(width) if i < left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths)))
        return "| " + " | ".join(parts) + " |"

    rule = "|" + "|".join("-" * (width + 2) if i < left else "-" * (width + 1) + ":"
                          for i, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def number(value, form=".2f"):
    return "-" if value is None else format(value, form)


def load_of(cell):
    return Load(cell["direction"], cell["flows"], cell["clients"])


def summary(cells, setting):
    """One row per system: rates of the four headline loads, costs and latency with one flow."""
    by_place = {(c["system"], load_of(c)): c for c in cells if c["setting"] == setting}
    loads = [load for load in plan.BULK if any(place[1] == load for place in by_place)]
    one = [load for load in plan.ONE_FLOW if load in loads]
    head = ["system", *(f"{load}, Gbit/s" for load in loads),
            *(f"server CPU s/GB, {load.direction}" for load in one),
            *(f"server calls/GB, {load.direction}" for load in one),
            *(f"ping p99 ms, {load.direction}" for load in one)]
    rows = []
    for system in dict.fromkeys(place[0] for place in by_place):
        def value(load, figure, form, system=system):
            return number(by_place.get((system, load), {}).get(figure), form)

        if any((system, load) in by_place for load in loads):
            rows.append([system, *(value(load, "gbits", ".2f") for load in loads),
                         *(value(load, "server_cpu", ".2f") for load in one),
                         *(value(load, "server_calls", ",.0f") for load in one),
                         *(value(load, "ping_p99", ".1f") for load in one)])
    return table(head, rows) if rows else None


COLUMNS = (("Gbit/s", "gbits", ".2f"), ("of limit", "limit_share", ".2f"),
           ("server CPU s/GB", "server_cpu", ".2f"), ("client CPU s/GB", "client_cpu", ".2f"),
           ("server calls/GB", "server_calls", ",.0f"), ("retransmits", "retransmits", ".0f"),
           ("ping p50 ms", "ping_p50", ".2f"), ("p99 ms", "ping_p99", ".2f"),
           ("lost", "pings_lost", ".0f"), ("Jain", "jain", ".3f"), ("runs", "runs", "d"))
SMALL_COLUMNS = (("us at rest", "idle_us", ".0f"), ("round trips/s", "round_trips", ",.0f"),
                 ("lost", "lost", ".0f"), ("lost in bursts", "burst_lost", ".0f"),
                 ("runs", "runs", "d"))


def matrix(cells, setting):
    """Every cell."""
    here = [c for c in cells if c["setting"] == setting]
    columns = SMALL_COLUMNS if setting == plan.SMALL else COLUMNS
    here.sort(key=lambda c: (c["clients"], c["flows"], c["direction"]))
    rows = [[str(load_of(c)), c["system"], *(number(c[name], form) for _, name, form in columns)]
            for c in here]
    return table(["load", "system", *(text for text, _, _ in columns)], rows, 2) if rows else None


def goal_text(entry):
    if entry["least"] is not None:
        return f">= {entry['least']:.2f}"
    return "" if entry["most"] is None else f"<= {entry['most']:.2f}"


def goals(ratios):
    words = {True: "yes", False: "no", None: ""}
    rows = [[r["text"], f"{r['value']:.3f}", goal_text(r), words[r["met"]]] for r in ratios]
    return table(["ratio", "median", "goal", "met"], rows)


def made_on(report):
    machine, settings = report["machine"], report["plan"]
    versions = ", ".join(f"{name}: {text}" for name, text in report["versions"].items() if text)
    return (f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, "
            f"{machine['congestion_control']}, everything on one machine; windows of "
            f"{settings['seconds']:g} s, medians of {settings['rounds']}. {versions}.")


def text(report, with_matrix=False):
    """The whole report."""
    parts = [made_on(report)]
    for setting in (plan.PASS_THROUGH, plan.NIC_LIKE):
        made = summary(report["cells"], setting)
        parts += [f"### {setting}", made] if made else []
    if report["ratios"]:
        parts += ["### Ratios of interleaved runs", goals(report["ratios"])]
    if with_matrix:
        parts += ["### The pure rooms alone", f"```\n{report['micro']}\n```"]
        for setting in (plan.PASS_THROUGH, plan.NIC_LIKE, plan.PACED, plan.SMALL):
            made = matrix(report["cells"], setting)
            parts += [f"### All cells, {setting}", made] if made else []
    return "\n\n".join(parts)
