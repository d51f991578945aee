"""Text that is safe to print and to record, and numbers as people read them."""

from __future__ import annotations

import math
import re
from typing import Any, Mapping, Sequence

# Control characters (also the C1 set), line and paragraph separators, bidirectional overrides,
# lone surrogates: what could move a cursor, or make a line read as another than it is.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_PATH = re.compile(r"(?<![\w.])~?/(?!/)[^\s:;,'\"()]+")


def safe(text: object, limit: int = 300) -> str:
    """`text` in one printable line of at most `limit` characters."""
    line = _UNSAFE.sub(" ", str(text))
    return line if len(line) <= limit else line[: limit - 3] + "..."


def shortened(text: object, limit: int) -> str:
    """`safe(text)` of at most `limit` characters, cut between words."""
    line, limit = safe(text, 1000), max(limit, 10)
    if len(line) <= limit:
        return line
    kept = line[: limit - 3]
    if line[limit - 3] != " " and " " in kept:
        kept = kept[: kept.rindex(" ")]
    return kept.rstrip(" ,;:·-") + "..."


def csv_text(text: object, limit: int = 300) -> str:
    """`safe(text)` that no spreadsheet takes for a formula."""
    line = safe(text, limit)
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line


def without_paths(text: object, limit: int = 300) -> str:
    """`safe(text)` with absolute paths replaced: a record names no place on anyone's disk."""
    return safe(_PATH.sub("PATH", str(text)).strip(), limit)


def without_numbers(text: str) -> str:
    """`text` by which messages are told apart that only differ in what was measured."""
    return re.sub(r"\d[\d.,]*", "#", text)


def flags_without_paths(flags: str) -> str:
    """Compiler flags without those that name a place on the disk."""
    return safe(" ".join(flag for flag in flags.split() if "/" not in flag), 1000)


def duration(seconds: float) -> str:
    """Seconds as `45 s`, `3 min 20 s` or `1 h 05 min`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    if whole < 90:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes as `16 KiB` or `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def three_digits(value: float) -> str:
    """`value` with three significant digits and no exponent."""
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:,.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    if magnitude >= 0.9995 or magnitude == 0:
        return f"{value:.2f}"
    return f"{value:#.3g}" if magnitude >= 1e-4 else f"{value:.1e}"


def time_of(nanoseconds: float) -> str:
    """Nanoseconds as `0.312 ns`, `4.10 us`, `25.0 ms` or `1.20 s`."""
    for unit in ("ns", "us", "ms"):
        if nanoseconds < 999.5:
            return f"{three_digits(nanoseconds)} {unit}"
        nanoseconds /= 1000
    return f"{three_digits(nanoseconds)} s"


def rate_of(bytes_per_second: float) -> str:
    """Bytes a second as `3.92 GB/s` (decimal, as memory and disks are sold)."""
    for unit in ("B/s", "kB/s", "MB/s", "GB/s"):
        if bytes_per_second < 999.5:
            return f"{three_digits(bytes_per_second)} {unit}"
        bytes_per_second /= 1000
    return f"{three_digits(bytes_per_second)} TB/s"


def value_of(value: float, unit: str) -> str:
    """A quantity with its unit: times and bytes a second as people read them; a ratio has none."""
    if unit == "ns":
        return time_of(value)
    if unit == "B/s":
        return rate_of(value)
    return f"{three_digits(value)} {'' if unit == 'ratio' else unit}".rstrip()


def five(value: Any) -> Any:
    """`value` rounded to five significant digits, whole numbers as ints; None stays None."""
    if value is None or isinstance(value, (bool, int)):
        return value
    rounded = float(f"{value:.5g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def rounded(tree: Any) -> Any:
    """A JSON tree with every float rounded by `five`."""
    if isinstance(tree, float):
        return five(tree)
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [rounded(value) for value in tree]
    return tree


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 launch`, `1,130 launches`. plural: where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str], most: int | None = None) -> str:
    """`a`, `a and b`, `a, b and c`; with more than `most` of them `a, b and 7 more`."""
    shown = list(parts)
    if most is not None and len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most:,} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def parts_told(counts: Sequence[tuple[int, str]]) -> str:
    """`6 are faster, 1 slower and 3 unresolved`, of (count, what), where there is any."""
    found = [(count, what) for count, what in counts if count]
    if not found:
        return ""
    be = "is" if found[0][0] == 1 else "are"
    first = f"{found[0][0]:,} {be} {found[0][1]}"
    return listed([first, *(f"{count:,} {what}" for count, what in found[1:])])


def percent_at_most(share: float) -> str:
    """A share that nothing exceeds, as `0.4%`, `12%`: rounded up, so that it stays true."""
    percent = 100 * share
    digits = 1 if percent < 10 else 0
    up = math.ceil(round(percent * 10**digits, 6)) / 10**digits
    return f"{up:,.{digits}f}%"


def params_text(params: Mapping[str, int]) -> str:
    """`clients:16/value_bytes:128`."""
    return "/".join(f"{param}:{value}" for param, value in params.items())


def cell_name(
    kernel: str,
    variant: str,
    n: int,
    input_name: str | None,
    threads: int | None,
    params: Mapping[str, int],
) -> str:
    """CELL as text: `group/kernel/variant/n:1024[/input:random][/threads:2][/clients:16]`."""
    name = f"{kernel}/{variant}/n:{n}"
    if input_name is not None:
        name += f"/input:{input_name}"
    if threads is not None:
        name += f"/threads:{threads}"
    return name + (f"/{params_text(params)}" if params else "")


def ladder_label(
    n: int,
    input_name: str,
    threads: int,
    params: Mapping[str, int],
    inputs: int = 1,
    sweep: bool = False,
) -> str:
    """A ladder as people read it: `n 4,096 · sorted · 2 threads · clients 16`."""
    parts = [f"n {n:,}"]
    if inputs > 1:
        parts.append(input_name)
    if sweep or threads > 1:
        parts.append(f"{threads} thread" + ("s" if threads > 1 else ""))
    parts += [f"{param.replace('_', ' ')} {value:,}" for param, value in params.items()]
    return " · ".join(parts)
