"""Speed per price: what a machine's speed is worth where it costs more or less than the other."""

from __future__ import annotations

import math
from typing import NamedTuple

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare.sides import Side, label_of
from headroom_tools.compare.types import AxisPrice, Comparison, Index, Priced


def amount_of(text: str) -> float:
    """A price, in whatever currency and per whatever time: only ratios of prices count."""
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 < price < math.inf:
        raise HeadroomError(f"--price {safe(text, 60)}: a price is a number above 0, like 0.12")
    return price


class Prices(NamedTuple):
    """What each side costs, BASE first."""

    base: float
    news: list[float]

    def share(self, at: int) -> float:
        """What NEW's speed per price is of its speed, both over BASE's."""
        return self.base / self.news[at]


def prices_of(text: str, sides: list[Side]) -> Prices:
    """`0.12,0.34`: a price for each side in their order. HeadroomError for another count."""
    prices = [amount_of(part.strip()) for part in text.split(",")]
    if len(prices) != len(sides):
        named = f"{len(prices)} price{'s'[: len(prices) != 1]}"
        raise HeadroomError(
            f"--price {safe(text, 60)}: {named} for {len(sides)} sides, which are "
            + ", ".join(label_of(side) for side in sides[:8])
        )
    return Prices(prices[0], prices[1:])


def per_price(index: Index, share: float) -> Index:
    """An index of speeds as one of speeds per price."""
    lo, hi = index["lo"], index["hi"]
    return {
        "ratio": index["ratio"] * share,
        "lo": None if lo is None else lo * share,
        "hi": None if hi is None else hi * share,
    }


def priced(prices: Prices, trees: list[Comparison]) -> list[Priced]:
    """For each NEW its speed per price by axis, over BASE's."""
    found: list[Priced] = []
    for at, tree in enumerate(trees):
        axes: list[AxisPrice] = []
        for axis in tree["axes"]:
            own = per_price(axis, prices.share(at))
            lo, hi = own["lo"], own["hi"]
            axes.append({"axis": axis["axis"], "ratio": own["ratio"], "lo": lo, "hi": hi})
        found.append({"base": prices.base, "new": prices.news[at], "axes": axes})
    return found
