# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians of cells, and ratios of interleaved runs with the goals that they have.

A run is a dictionary: where it belongs (group, round, setting, system, lane, offload, direction,
flows, clients) and the figures of measure.py. A ratio divides runs of the same group and round, so
that both saw the same machine, and is the median over the rounds.
"""

import math
import statistics
from dataclasses import dataclass

from . import plan
from .measure import Load

PLACE = ("setting", "system", "lane", "offload", "direction", "flows", "clients")
FIGURES = ("gbits", "server_cpu", "client_cpu", "server_calls", "retransmits", "ping_p50",
           "ping_p99", "pings_lost", "jain", "idle_us", "round_trips", "lost", "burst_lost")

BEST = "Slipway, Expresslane"
OFF = "Slipway, Expresslane, offloads off"
DTLS = "Slipway, DTLS/AES"
TCP = "Slipway, TCP"
STOCK = "stock Lightway"
MIXED = "Slipway server, stock client"
WIREGUARD = "wireguard-go"
LIMIT = "limit"


def median_of(runs, name):
    values = [run[name] for run in runs if run.get(name) is not None]
    return statistics.median(values) if values else None


def cells(runs):
    """One dictionary per cell, in the order of measuring: its place, medians, "runs", "limit_share".

    A cell that several groups have measured is that of the first. limit_share: of the rate of the
    limit with as many flows in the same setting, from one client.
    """
    found = {}
    for run in runs:
        if "error" in run:
            continue
        mine = found.setdefault(tuple(run[name] for name in PLACE), [])
        if not mine or mine[0]["group"] == run["group"]:
            mine.append(run)
    made = [{**dict(zip(PLACE, place)), **{name: median_of(mine, name) for name in FIGURES},
             "runs": len(mine)} for place, mine in found.items()]
    limits = {(c["setting"], c["direction"], c["flows"]): c["gbits"] for c in made
              if c["system"] == LIMIT}
    for cell in made:
        limit = limits.get((cell["setting"], cell["direction"], cell["flows"]))
        cell["limit_share"] = cell["gbits"] / limit if limit and cell["gbits"] else None
    return made


@dataclass
class Side:
    """One side of a ratio."""

    system: str
    load: Load

    def matches(self, run):
        return (run["system"] == self.system and "error" not in run and
                Load(run["direction"], run["flows"], run["clients"]) == self.load)


@dataclass
class Goal:
    """of / to, or the figure itself if to is None. least, most: what it should be."""

    text: str
    group: str
    figure: str
    of: Side
    to: Side | None = None
    least: float = None
    most: float = None

    def rounds(self, runs):
        """The ratio of each round that has both sides."""
        found = []
        for number in sorted({run["round"] for run in runs if run["group"] == self.group}):
            here = [r for r in runs if r["group"] == self.group and r["round"] == number]
            above = next((r[self.figure] for r in here if self.of.matches(r)), None)
            below = 1.0 if self.to is None else next(
                (r[self.figure] for r in here if self.to.matches(r)), None)
            if above is not None and below:
                found.append(above / below)
        return found


def limit_goals():
    for group, setting in (("rates", plan.PASS_THROUGH), ("rates, NIC-like", plan.NIC_LIKE)):
        for load in plan.BULK:
            yield Goal(f"rate, share of the limit: {setting}, {load}", group, "gbits",
                       Side(BEST, load), Side(LIMIT, load), least=0.8)


def goals():
    yield from limit_goals()
    for group, setting, least in (("rates", plan.PASS_THROUGH, 5),
                                  ("rates, NIC-like", plan.NIC_LIKE, 3.5)):
        for load in plan.ONE_FLOW:
            yield Goal(f"rate, offloads on / off: {setting}, {load}", group, "gbits",
                       Side(BEST, load), Side(OFF, load), least=least)
    per_load = (
        ("rate, DTLS lane / Expresslane", "gbits", DTLS, BEST, 0.6, None),
        ("rate, TCP lane / Expresslane", "gbits", TCP, BEST, 0.5, None),
        ("system calls of the server per GB / limit's", "server_calls", BEST, LIMIT, None, 1.0),
        ("CPU of the server per GB / stock server's", "server_cpu", BEST, STOCK, None, 1 / 7),
        ("ping p99 under load / limit's", "ping_p99", BEST, LIMIT, None, 0.5),
        ("ping p99 under load / wireguard-go's", "ping_p99", BEST, WIREGUARD, None, 0.1),
        ("pings lost under load", "pings_lost", BEST, None, None, 0),
    )
    for text, figure, above, below, least, most in per_load:
        for load in plan.ONE_FLOW:
            yield Goal(f"{text}: {load}", "rates", figure, Side(above, load),
                       below and Side(below, load), least, most)
    yield Goal("CPU of the server per GB, stock client / stock at both ends: down 1 flow", "rates",
               "server_cpu", Side(MIXED, plan.ONE_FLOW[0]), Side(STOCK, plan.ONE_FLOW[0]),
               most=0.25)
    one = Load("down", 1)
    for clients, least in ((8, 0.9), (64, 0.75)):
        load = Load("down", clients, clients)
        yield Goal(f"rate, {clients} clients together / one client", "clients", "gbits",
                   Side(BEST, load), Side(BEST, one), least=least)
        yield Goal(f"fairness among {clients} clients (Jain)", "clients", "jain",
                   Side(BEST, load), least=0.9 if clients == 8 else None)
    yield Goal("goodput on a slow link, batches / one packet per send", "pacing", "gbits",
               Side(BEST, one), Side(OFF, one), least=0.97)


def verdict(value, least, most):
    if least is None and most is None:
        return None
    return (least is None or value >= least) and (most is None or value <= most)


def ratio(text, values, value, least, most):
    return {"text": text, "value": value, "rounds": values, "least": least, "most": most,
            "met": verdict(value, least, most)}


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def paced_retransmits(runs):
    """All rounds together, since a single one may have none."""
    sums = [sum(run["retransmits"] for run in runs if run["group"] == "pacing"
                and Side(system, Load("down", 1)).matches(run)) for system in (BEST, OFF)]
    return sums[0] / sums[1] if sums[1] else None


# 97.5 % quantile of Student's distribution for so many degrees of freedom, by its first terms.
def student(freedom):
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def interval(values):
    """Where the geometric mean of such ratios lies with a probability of 95 %."""
    logs = [math.log(value) for value in values]
    reach = student(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.fmean(logs)
    return math.exp(middle - reach), math.exp(middle + reach)


def small_ratios(runs):
    """Single packets: no worse is what the interval does not rule out."""
    for text, figure, better in (("round trip of a single packet at rest", "idle_us", min),
                                 ("64-byte packets per second", "round_trips", max)):
        goal = Goal("", "small packets", figure, Side(BEST, plan.SINGLE), Side(OFF, plan.SINGLE))
        values = goal.rounds(runs)
        if len(values) > 1:
            low, high = interval(values)
            bound = better(low, high)
            made = ratio(f"{text}, offloads on / off: {len(values)} pairs, 95 % interval "
                         f"{low:.3f} .. {high:.3f}", values, geometric_mean(values), None, None)
            yield {**made, "met": bound >= 1 if better is max else bound <= 1,
                   "interval": [low, high]}
    lost = [run["burst_lost"] for run in runs if Side(BEST, plan.SINGLE).matches(run)]
    if lost:
        yield ratio("lost of bursts of 500 small packets, all together", lost, sum(lost), None, 0)


def ratios(runs):
    """Every goal that this run can say something about, as dictionaries."""
    made = []
    for goal in goals():
        values = goal.rounds(runs)
        if values:
            made.append(ratio(goal.text, values, statistics.median(values), goal.least, goal.most))
    for setting in (plan.PASS_THROUGH, plan.NIC_LIKE):
        values = [r["value"] for r in made
                  if r["text"].startswith(f"rate, share of the limit: {setting}")]
        if values:
            made.append(ratio(f"rate, share of the limit: {setting}, geometric mean", values,
                              geometric_mean(values), 0.9, None))
    retransmits = paced_retransmits(runs)
    if retransmits is not None:
        made.append(ratio("retransmits on a slow link, batches / one packet per send", [],
                          retransmits, None, 1.2))
    return made + list(small_ratios(runs))
