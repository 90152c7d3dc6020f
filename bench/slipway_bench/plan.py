# SPDX-License-Identifier: GPL-3.0-or-later
"""Which systems carry which loads in which setting, and how often.

A group is measured round by round: in each, all its systems are brought up afresh, and for each
load one after the other carries it, in an order that differs from round to round. So the runs that
a ratio is made of are seconds apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from . import measure, small, systems
from .measure import Load

PASS_THROUGH = "pass-through"  # veths hand whole superpackets and batches across
NIC_LIKE = "NIC-like"  # everything is cut before the wire and put together after it
PACED = "100 Mbit/s"  # a token bucket with a short queue on the way to the client
SMALL = "small packets"  # pass-through, with nothing else on the way

ONE_FLOW = (Load("down", 1), Load("up", 1))
BULK = (*ONE_FLOW, Load("down", 8), Load("up", 8))
SINGLE = Load("there and back", 1)


@dataclass
class Group:
    name: str
    setting: str
    systems: list
    loads: tuple
    rounds: int = 1
    seconds: float = 2.0
    clients: int = 1
    skip: set = field(default_factory=set)  # (system's name, load) measured elsewhere
    measure: Callable = measure.measure

    def pairs(self, number):
        """(load, system) of a round, in order."""
        count = len(self.systems)
        for load in self.loads:
            for i in range(count):
                system = self.systems[(i + number) % count]
                if load.clients <= system.most_clients and (system.name, load) not in self.skip:
                    yield load, system

    def runs(self):
        return sum(len(list(self.pairs(number))) for number in range(self.rounds))


@dataclass
class Settings:
    rounds: int
    seconds: float


def best():
    return systems.slipway("Expresslane")


def plain():
    return systems.slipway("Expresslane", offload=False)


def headline(settings, rivals, quick):
    """The cells that goals are about."""
    lanes = [best(), plain(), systems.slipway("DTLS/AES"), systems.slipway("TCP")]
    reference = [systems.Limit()] if quick else [systems.NoTunnel(), systems.Limit()]
    yield Group("rates", PASS_THROUGH, [*reference, *lanes, *rivals], BULK, settings.rounds,
                settings.seconds)
    yield Group("rates, NIC-like", NIC_LIKE,
                [*reference, best(), plain(), *([] if quick else rivals)],
                ONE_FLOW if quick else BULK, settings.rounds, settings.seconds)
    most = 8 if quick else 64
    yield Group("clients", PASS_THROUGH, [best()],
                tuple(Load("down", n, n) for n in (1, 8, 64) if n <= most), settings.rounds,
                settings.seconds, clients=most)
    yield Group("pacing", PACED, [best(), plain()], (Load("down", 1),), settings.rounds,
                2 * settings.seconds, measure=measure.measure_paced)
    # Brought up anew for each pair: which core a program came to lie on counts for more than offloads.
    yield Group("small packets", SMALL, [best(), plain()], (SINGLE,), 5 if quick else 20,
                2 * small.SECONDS, measure=small.measure)


def matrix(settings, done):
    """Every lane, direction, offload, number of flows and of clients, in both settings, once."""
    single = tuple(Load(direction, flows) for flows in (1, 8, 64) for direction in ("down", "up"))
    several = tuple(Load(direction, flows, clients) for clients in (8, 64)
                    for flows in (8, 64) if flows >= clients for direction in ("down", "up"))
    for setting in (PASS_THROUGH, NIC_LIKE):
        mine = [systems.slipway(lane, offload) for lane in systems.LANES
                for offload in (True, False)]
        skip = {(name, load) for where, name, load in done if where == setting}
        yield Group(f"matrix, {setting}", setting, [systems.NoTunnel(), systems.Limit(), *mine],
                    single, seconds=settings.seconds, skip=skip)
        # Sixty-four clients each: one system at a time.
        for system in mine:
            yield Group(f"matrix, {setting}, clients", setting, [system], several,
                        seconds=settings.seconds, clients=64, skip=skip)


def make_plan(quick, settings, rivals):
    groups = list(headline(settings, rivals, quick))
    if not quick:
        done = {(group.setting, system.name, load) for group in groups
                for load, system in group.pairs(0)}
        groups += matrix(settings, done)
    return groups
