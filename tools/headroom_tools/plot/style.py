"""One style for all pictures: colours that colour-blind readers tell apart, and figures on axes."""

from __future__ import annotations

import math

from headroom_tools.base.text import size

# Okabe and Ito, "Color Universal Design" (2008); yellow is left out, being too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6A51A3")
GREY, PALE = "#6b6b6b", "#999999"
# By number: the baseline is always grey, and so are the machine's own limits.
BASELINE, LIMIT = -1, -2
DASHES = ("solid", "dashed", "dotted", "dashdot")


def colour(index: int) -> str:
    """The colour of series `index`; greys for BASELINE and LIMIT."""
    if index < 0:
        return PALE if index == LIMIT else GREY
    return COLOURS[index % len(COLOURS)]


def _scaled(value: float, units: tuple[str, ...], step: float = 1000) -> str:
    for unit in units[:-1]:
        if abs(value) < 0.9995 * step:
            return f"{value:.3g} {unit}"
        value /= step
    if value >= 1e6:
        return f"{value:.0e} {units[-1]}"
    return f"{value:,.0f} {units[-1]}" if value >= 1000 else f"{value:.3g} {units[-1]}"


def tick(value: float, kind: str) -> str:
    """A figure on an axis."""
    if kind == "bytes":
        return size(value).replace(".0 ", " ")
    if kind == "ns":
        if 0 < value < 0.0995:
            return f"{value * 1e3:.3g} ps"
        return _scaled(value, ("ns", "us", "ms", "s"))
    if kind == "B/s":
        return _scaled(value, ("B/s", "kB/s", "MB/s", "GB/s", "TB/s"))
    if kind == "FLOP/s":
        return _scaled(value, ("FLOP/s", "kFLOP/s", "MFLOP/s", "GFLOP/s", "TFLOP/s"))
    if kind == "factor":
        if abs(value) < 1000:
            return f"{value:.4g}x"
        return f"{value:,.0f}x" if value < 1e6 else f"{value:.0e}x"
    if kind == "percent":
        return f"{value:+.3g}%" if value else "0%"
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e7 else f"{value:.3g}"


def log_ticks(lo: float, hi: float, kind: str, most: int = 7) -> list[float]:
    """Round numbers of a logarithmic axis."""
    if kind in ("bytes", "count"):
        exponents = range(math.ceil(math.log2(lo) - 1e-9), math.floor(math.log2(hi) + 1e-9) + 1)
        step = max(1, -(-len(exponents) // most))
        zero = 14 if kind == "bytes" else 0
        return [2.0**e for e in exponents if (e - zero) % step == 0]
    if hi / lo < 5:
        return linear_ticks(lo, hi, kind, most)
    first, last = math.floor(math.log10(lo)), math.ceil(math.log10(hi))
    for inner in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**e for e in range(first, last + 1) for m in inner]
        found = [value for value in found if lo * (1 - 1e-9) <= value <= hi * (1 + 1e-9)]
        if len(found) <= most:
            return found
    return found[:: -(-len(found) // most)]


def linear_ticks(lo: float, hi: float, kind: str, most: int = 6) -> list[float]:
    """Round numbers of a linear axis; whole ones of a count."""
    span = hi - lo
    if not span > 0:
        return [lo]
    step = 10.0 ** math.floor(math.log10(span / most))
    step = next(step * m for m in (1, 2, 5, 10, 20) if span / (step * m) <= most)
    step = max(1.0, step) if kind == "count" else step
    first = math.ceil(lo / step - 1e-9)
    return [step * at for at in range(first, math.floor(hi / step + 1e-9) + 1)]
