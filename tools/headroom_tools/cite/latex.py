r"""For papers: every figure of a run as a LaTeX macro, and the run as a BibTeX entry.

`\headroom{simd/sum/highway/n:4096 speedup}` is what the run says; what it doesn't say is an error
when the paper is set, so that no figure is invented by a typing error.
"""

from __future__ import annotations

import re
from pathlib import Path

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe, size
from headroom_tools.cite.figures import cell_figure, factor, probe_figure, with_interval
from headroom_tools.cite.records import Loaded, Unbacked
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.compare.types import Axis, Row
from headroom_tools.export import name_of
from headroom_tools.record import device as devices
from headroom_tools.record.cells import cells_of
from headroom_tools.record.types import Device
from headroom_tools.show import probes as probes_

# No character may be markup, count as a brace where BibTeX pairs them, be another glyph in the old
# font encoding (< and > are Spanish there; biber undoes \textless), or become one with its
# neighbour (--, '', ?`).
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
    "<": "$<$", ">": "$>$", "|": "$|$", '"': r"{\char34}",
    "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%", "'": "{'}", "`": "{`}",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip
QUANTITIES = ("speedup", "alone", "over_standard", "value", "ns_per_item", "time", "rate", "flops",
              "of_ceiling", "verdict")  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_.+:/ -]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# \detokenize: babel makes `:` active for some languages, packages do `_`.
_MACRO = r"""\providecommand{\headroom}[1]{%
  \ifcsname headroom@\detokenize{#1}\endcsname\csname headroom@\detokenize{#1}\endcsname
  \else\PackageError{headroom}{no figure `\detokenize{#1}'}{See the names in this file.}\fi}
\def\headroom@is#1#2{\expandafter\def\csname headroom@\detokenize{#1}\endcsname{#2}}"""


def escaped(text: object, limit: int = 300) -> str:
    """Text that LaTeX sets as it is; what is not ASCII becomes a question mark."""
    line = "".join(_SPECIAL.get(char, char) for char in safe(text, limit))
    return re.sub("-(?=-)", "-{}", line).encode("ascii", "replace").decode()


def _value(text: str) -> str:
    """A figure with thin spaces before its units, a times sign, and an interval on one line."""
    text = re.sub(r"(?<=\d)x\b", r"\\ensuremath{\\times}", escaped(text))
    text = re.sub(r"(?<=[\d\]]) (?=[A-Za-z])", r"\\,", text)
    text = re.sub(r", (?=[^\[]*\])", ",~", text)
    return re.sub(r"(?<=\\,)us\b", r"\\ensuremath{\\mu}s", text)


def macros(loaded: Loaded) -> str:
    """A file of macros for all cells and probes of a run."""
    run = loaded.run
    lines = [
        f"% Headroom's figures of {run['name']} on {run['machine']}; made by `headroom cite "
        "--latex`, not to be edited.",
        r"% Use: \input{this file}, then \headroom{simd/sum/highway/n:4096 speedup}; after it in "
        "the name,",
        "% `brief` leaves the interval out.",
        r"\makeatletter",
        _MACRO,
    ]
    seen = set()
    for row in loaded.rows:
        name = name_of(row.cell)
        if row.ns is None or row.cell.kernel["probe"] or (name in seen):
            continue
        if row.cell.ladder_threads != row.cell.threads and row.cell.threads != 1:
            continue
        seen.add(name)
        for quantity in QUANTITIES:
            for brief in (False, True):
                try:
                    told = cell_figure(quantity, row, brief)
                except Unbacked:
                    continue
                told = _with_device(told, row.cell.device)
                lines.append(_define(f"{name} {quantity}{' brief' if brief else ''}", told))
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    for probe in loaded.probes:
        name = probe.probe
        name += f"/{probe.variant}" if probe.probe in probes_.APART else ""
        name += f"/n:{probe.n}"
        name += f"/input:{probe.input}" if len(kernels[probe.probe]["inputs"]) > 1 else ""
        name += f"/threads:{probe.threads}" if len(kernels[probe.probe]["threads"]) > 1 else ""
        for brief in (False, True):
            more = " brief" if brief else ""
            told = _with_device(probe_figure(probe, brief), probe.device)
            lines.append(_define(f"{name} probe{more}", told))
    lines.append(r"\makeatother")
    return "\n".join(lines) + "\n"


def comparison(base_folder: Path, new_folder: Path) -> str:
    """A file of macros for a comparison of NEW with BASE: each cell that both have, each axis."""
    base, new = read_sides([base_folder, new_folder])
    tree = compared(base, new)
    names = {
        (cell.kernel["name"], cell.variant, cell.n, cell.input, cell.threads, str(cell.params)):
        name_of(cell)
        for cell in cells_of(new.run)
    }  # fmt: skip
    lines = [
        f"% Headroom's comparison of {safe(new.name)} with {safe(base.name)}; made by `headroom "
        "cite --latex`, not to be edited.",
        "% A ratio is how many times as fast the former is. Use: \\input{this file}, then",
        "% \\headroom{compare simd/sum/highway/n:4096 ratio}, or `verdict`; of an axis",
        "% \\headroom{compare memory-bandwidth ratio}; after it, `brief` leaves the interval out.",
        r"\makeatletter",
        _MACRO,
    ]
    for row in tree["rows"]:
        key = (row["kernel"], row["variant"], row["n"], row["input"], row["threads"],
               str(row["params"]))  # fmt: skip
        lines += _compared(names[key], row, row["verdict"])
    for axis in tree["axes"]:
        lines += _compared(axis["axis"], axis, None)
    lines.append(r"\makeatother")
    return "\n".join(lines) + "\n"


def _with_device(text: str, device: Device | None) -> str:
    """A figure with the device that it is of."""
    return f"{text} ({devices.told(device)})" if device else text


def _compared(name: str, row: Row | Axis, verdict: str | None) -> list[str]:
    """What is defined of a cell or an axis. A ratio says where it is not resolved."""
    lines = []
    for brief in (False, True):
        told = with_interval(factor, row["ratio"], row["lo"], row["hi"], brief)
        told += f" ({verdict})" if verdict in ("unresolved", "equivalent") else ""
        lines.append(_define(f"compare {name} ratio{' brief' if brief else ''}", told))
    if verdict:
        lines.append(_define(f"compare {name} verdict", verdict))
    return lines


def _define(name: str, told: str) -> str:
    if not _NAME.fullmatch(name):  # no record that is valid has such a name
        raise HeadroomError(f"{safe(name, 100)}: cannot be the name of a figure", 1)
    return rf"\headroom@is{{{name}}}{{{_value(told)}}}"


def bibtex(loaded: Loaded) -> str:
    """The run as a BibTeX entry, with commit and machine."""
    run, machine = loaded.run, loaded.machine
    cpu, ram = machine["cpu"], machine["ram"]
    commit = (run["commit"] or "")[:12] or "unknown"  # 40 digits would not fit a line
    commit += " with uncommitted changes" if run["dirty"] else ""
    parts = [cpu["model_name"] or cpu["vendor"] or "unknown CPU"]
    parts += [cpu["microarchitecture"]] if cpu["microarchitecture"] else []
    parts += [f"{cpu['cores']} cores"] if cpu["cores"] else []
    parts += [f"{size(ram['bytes'])} RAM"] if ram["bytes"] else []
    parts += [f"{machine['virtualization']} virtual machine"] if machine["virtualization"] else []
    year, month = run["started"][:4], int(run["started"][5:7])
    build = run["build"]
    fields = {
        "author": "{{The Headroom authors}}",
        "title": f"{{{{Headroom: measured on {escaped(run['machine'])}, "
        f"{escaped(run['label'])}}}}}",
        "year": f"{{{year}}}",
        "month": _MONTHS[month - 1] if 1 <= month <= 12 else "{}",
        "howpublished": f"{{Record results/{escaped(loaded.name)}}}",
        "note": "{" + escaped(
            f"Commit {commit}. Machine: {', '.join(parts)}. Built by {build['compiler']}, "
            f"{build['flags']}; profile {run['profile']}, {run['plan']['launches']} launches.", 800,
        ) + "}",
    }  # fmt: skip
    body = ",\n".join(f"  {name:<12} = {value}" for name, value in fields.items())
    return f"@misc{{headroom-{run['machine']}-{run['name'][:16]},\n{body}\n}}\n"
