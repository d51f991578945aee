"""What each machine costs, as `--price MACHINE=0.12` says it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from statistics import median

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare.price import amount_of, per_price
from headroom_tools.compare.sides import Side
from headroom_tools.fleet.types import Machine


def prices_of(words: list[str], sides: list[Side], names: list[str]) -> list[float | None]:
    """The price of each machine; a later word outdoes an earlier one. None without any `words`.

    HeadroomError where a word names no machine, or a machine has no price.
    """
    prices: list[float | None] = [None] * len(sides)
    for word in [part for word in words for part in word.split(",") if part]:
        pattern, mark, amount = word.rpartition("=")
        if not mark or not pattern:
            raise HeadroomError(f"--price {safe(word)}: takes MACHINE=PRICE, like fast-vm=0.12")
        price = amount_of(amount)
        of = [
            at
            for at, (side, name) in enumerate(zip(sides, names))
            if fnmatchcase(side.run["machine"], pattern) or fnmatchcase(name, pattern)
        ]
        if not of:
            raise HeadroomError(
                f"--price {safe(word)}: no machine here is called that; they are "
                + ", ".join(names[:8])
            )
        for at in of:
            prices[at] = price
    without = [name for name, price in zip(names, prices) if price is None]
    if words and without:
        more = f" and {len(without) - 4} more" if len(without) > 4 else ""
        raise HeadroomError(
            f"--price: {', '.join(without[:4])}{more} has none; '*=0.12' is a price for all"
        )
    return prices


def add(machines: list[Machine]) -> None:
    """Sets every axis's speed per price, over the fleet's median of it."""
    by_axis: dict[str, list[float]] = {}
    for one in machines:
        for axis in one["axes"] if one["price"] else ():
            by_axis.setdefault(axis["axis"], []).append(axis["ratio"] / (one["price"] or 1.0))
    for one in machines:
        for axis in one["axes"] if one["price"] else ():
            share = 1 / ((one["price"] or 1.0) * median(by_axis[axis["axis"]]))
            axis["per_price"] = per_price(axis, share)
