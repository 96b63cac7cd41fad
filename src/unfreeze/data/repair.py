"""Move a few units between the sides of a split, where a side would lack a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Cover", "Move", "Unit", "cover_sides", "fill_train"]

TRAIN = 0
# Covered first: without train nothing is learned; of the others test, whose figure is reported.
ORDER = (0, 2, 1)
MAX_CANDIDATES = 64  # bounds the searches for exchanges, which are quadratic


@dataclass(frozen=True, slots=True)
class Unit:
    """Pictures that stay together: a group, a cluster of near-duplicates, their union, or one picture.

    Attributes:
        members: indices of the pictures.
        position: in 0..1, by the hash of the unit's name; it decides the side.
        labels: for each label that occurs in it, in how many pictures.
    """

    members: tuple[int, ...]
    position: float
    labels: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Move:
    """A unit that a repair took from one side to another."""

    unit: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Cover:
    """What a split should reach, as the price of each label that is missing from a side.

    Attributes:
        sides: the sides that pictures may be moved between: 0 train, 1 val, 2 test.
        prices: (3, n_labels); a high price for what must not be missing.
        edges: for each side, where its share of the positions begins and ends.
    """

    sides: tuple[int, ...]
    prices: np.ndarray
    edges: tuple[tuple[float, float], ...]


def cover_sides(
    units: Sequence[Unit], sides: list[int], *, cover: Cover, fixed: int | None = None
) -> tuple[list[int], list[Move]]:
    """Return the sides after the moves and exchanges that bring missing labels to them, and the moves.

    Every step lowers the price of what is missing, so it ends; rare labels come first, since they leave
    the fewest choices. Of several ways the one that moves the fewest pictures for what it brings is taken,
    and then the unit whose hash lies nearest to the side, so that the choice changes little when pictures
    are added.

    Args:
        units: all units that may be moved.
        sides: the side of each unit.
        cover: what is wanted.
        fixed: a unit that stays where it is.
    """
    state = _State(units, list(sides), cover, fixed)
    moves: list[Move] = []
    while step := (state.move_once_for_each() or state.exchange_once()):
        moves += step
    return state.sides, _net(moves)


def fill_train(units: Sequence[Unit], sides: list[int], *, cover: Cover, share: float) -> tuple[list[int], list[Move]]:
    """Return the sides after moving units to train while it holds less than half, and the moves.

    Only few and large groups can leave train so small. Where a side is left without a label by this, a
    smaller unit takes the place of the one that went; nothing that was covered is given up.

    Args:
        units: all units that may be moved.
        sides: the side of each unit.
        cover: what is wanted.
        share: how much of all pictures train should come near to.
    """
    sizes = [len(unit.members) for unit in units]
    now = list(sides)
    moves: list[Move] = []
    while 2 * (n_train := _n_train(sizes, now)) < sum(sizes):
        wanted = share * sum(sizes) - n_train
        options = [Move(index, side, TRAIN) for index, side in enumerate(now) if side != TRAIN]
        options.sort(key=lambda move: (abs(sizes[move.unit] - wanted), units[move.unit].position))
        price = _State(units, now, cover).price()
        for option in options[:MAX_CANDIDATES]:
            trial = [TRAIN if index == option.unit else side for index, side in enumerate(now)]
            trial, more = cover_sides(units, trial, cover=cover, fixed=option.unit)
            if _State(units, trial, cover).price() <= price and _n_train(sizes, trial) > n_train:
                now, moves = trial, [*moves, option, *more]
                break
        else:
            break
    return now, _net(moves)


class _State:
    """The counts of labels on each side while units move."""

    def __init__(self, units: Sequence[Unit], sides: list[int], cover: Cover, fixed: int | None = None) -> None:
        self.units = units
        self.sides = sides
        self.cover = cover
        self.fixed = fixed
        self.counts = np.zeros(cover.prices.shape, dtype=np.int64)
        self.units_of: dict[int, list[int]] = {}
        for index, unit in enumerate(units):
            for label, count in unit.labels.items():
                self.counts[sides[index], label] += count
                if index != fixed:
                    self.units_of.setdefault(label, []).append(index)

    def apply(self, move: Move) -> None:
        """Take a unit to another side."""
        assert self.sides[move.unit] == move.source
        self.sides[move.unit] = move.target
        for label, count in self.units[move.unit].labels.items():
            self.counts[move.source, label] -= count
            self.counts[move.target, label] += count

    def price(self) -> float:
        """Return what all that is missing costs."""
        return float(self.cover.prices[self.counts == 0].sum())

    def change(self, moves: Sequence[Move]) -> float:
        """Return by how much the price of what is missing would grow."""
        change: dict[tuple[int, int], int] = {}
        for move in moves:
            for label, count in self.units[move.unit].labels.items():
                for side, amount in ((move.source, -count), (move.target, count)):
                    change[side, label] = change.get((side, label), 0) + amount
        growth = 0.0
        for (side, label), amount in change.items():
            before = int(self.counts[side, label])
            growth += self.cover.prices[side, label] * (int(before + amount == 0) - int(before == 0))
        return growth

    def move_once_for_each(self) -> list[Move]:
        """Make the best single move for every missing label that one helps; return the moves."""
        moves = []
        for side, label in self._missing():
            if self.counts[side, label]:
                continue  # an earlier move has brought it
            options = [[Move(unit, self.sides[unit], side)] for unit in self.units_of.get(label, ())]
            moves += self._make_best(options, label)
        return moves

    def exchange_once(self) -> list[Move]:
        """Make the best exchange of two units for the first missing label that one helps; return its moves."""
        for side, label in self._missing():
            here = [unit for unit, where in enumerate(self.sides) if where == side and unit != self.fixed]
            options = [
                [Move(unit, self.sides[unit], side), Move(other, side, self.sides[unit])]
                for unit in self.units_of.get(label, [])[:MAX_CANDIDATES]
                for other in here[:MAX_CANDIDATES]
            ]
            if moves := self._make_best(options, label):
                return moves
        return []

    def _make_best(self, options: Sequence[list[Move]], label: int) -> list[Move]:
        """Make the best of several groups of moves, if any lowers the price; return its moves."""
        helpful = [(change, moves) for moves in options if (change := self.change(moves)) < 0]
        if not helpful:
            return []
        _, best = min(helpful, key=lambda pair: self._rank(pair[1], label, pair[0]))
        for move in best:
            self.apply(move)
        return best

    def _missing(self) -> list[tuple[int, int]]:
        """Return (side, label) that are missing: dear ones first, then labels of few units."""
        pairs = [
            (side, label)
            for side in self.cover.sides
            for label in np.flatnonzero((self.counts[side] == 0) & (self.cover.prices[side] > 0)).tolist()
        ]
        prices = self.cover.prices
        return sorted(
            pairs,
            key=lambda pair: (-prices[pair], len(self.units_of.get(pair[1], ())), ORDER.index(pair[0]), pair[1]),
        )

    def _rank(self, moves: Sequence[Move], label: int, change: float) -> tuple[float, float, float, int]:
        """Return what to minimise: pictures moved for the gain, scarcity at the source, distance."""
        first = self.units[moves[0].unit]
        low, high = self.cover.edges[moves[0].target]
        share = self.cover.edges[moves[0].source]
        surplus = self.counts[moves[0].source, label] / (share[1] - share[0])
        distance = max(low - first.position, first.position - high, 0.0)
        n_pictures = sum(len(self.units[move.unit].members) for move in moves)
        return n_pictures / -change, -float(surplus), distance, moves[0].unit


def _n_train(sizes: Sequence[int], sides: Sequence[int]) -> int:
    return sum(size for size, side in zip(sizes, sides, strict=True) if side == TRAIN)


def _net(moves: Sequence[Move]) -> list[Move]:
    """Return one move per unit, from where it was first to where it is last; none if it came back."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for move in moves:
        first.setdefault(move.unit, move.source)
        last[move.unit] = move.target
    return [Move(unit, first[unit], last[unit]) for unit in sorted(first) if first[unit] != last[unit]]
