"""Which runs the page is about, their machines, and where their figures come from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple, Sequence

from headroom_tools import stats
from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import duration, safe, size
from headroom_tools.compare.differs import FACTS, cores_of
from headroom_tools.compare.pooling import Measured
from headroom_tools.plot.view import View
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.validate import load
from headroom_tools.show import probes
from headroom_tools.show.remarks import failed_grouped, failures_grouped, needs_of
from headroom_tools.show.rows import MOVED


def chosen_runs() -> list[Path]:
    """Of each machine in results/ the newest run with kernels beyond probes; else the newest."""
    found: dict[str, list[Path]] = {}
    for folder in paths.complete_runs(paths.results()):
        found.setdefault(folder.parent.name, []).append(folder)
    if not found:
        paths.find_run("latest")  # says that there is none
    chosen = []
    for name in sorted(found):
        for folder in found[name]:
            try:
                run = load(folder)[0]
            except HeadroomError:
                continue
            kernels = [run["kernels"][at] for at in set(run["ladders"]["kernel"])]
            if any(not (kernel["probe"] or kernel["placebo"]) for kernel in kernels):
                chosen.append(folder)
                break
        else:
            chosen.append(found[name][0])
    return chosen


class MachineRow(NamedTuple):
    """A row of the table of machines. label: of its runs here; runs: kept in all."""

    name: str
    cpu: str
    cores: str
    memory: str
    system: str
    runs: int
    label: str


def machines_of(views: Sequence[Measured]) -> list[MachineRow]:
    kept = Counter(folder.parent.name for folder in paths.complete_runs(paths.results()))
    rows: list[MachineRow] = []
    for view in views:
        cpu, ram = view.machine["cpu"], view.machine["ram"]
        core = f" ({cpu['microarchitecture']})" if cpu["microarchitecture"] else ""
        name = view.run["machine"]
        virtual = view.machine["virtualization"]
        row = MachineRow(
            name,
            f"{cpu['model_name'] or cpu['vendor'] or 'unknown'}{core}",
            cores_of(view.machine),
            size(ram["bytes"]) if ram["bytes"] else "unknown",
            f"{view.machine['system'] or ''} {view.machine['kernel'] or ''}"
            + (f", {virtual}" if virtual else ""),
            kept.get(name, 0),
            f"{view.run['label']}, {view.run['started'][:10]}",
        )
        same = (at for at, one in enumerate(rows) if one._replace(label=row.label) == row)
        known = next(same, None)
        if known is None:
            rows.append(row)
        else:
            rows[known] = rows[known]._replace(label=f"{rows[known].label}; {row.label}")
    return rows


def name_of(view: View, views: list[View]) -> str:
    """What a run is called on the page: what tells it apart of machine, label and time."""
    machines = {(v.run["machine"], str(v.machine["cpu"])) for v in views}

    def short(one: View) -> str:
        alone = len(machines) == 1 and len(views) > 1
        return one.run["label"] if alone else f"{one.run['machine']} · {one.run['label']}"

    same = sum(short(one) == short(view) for one in views)
    return f"{short(view)} · {view.run['started']}" if same > 1 else short(view)


def figures_of(view: View) -> list[tuple[str, str, str, str, str]]:
    """The probes as rows of a table."""
    rows = []
    sizes = Counter(name for name, _ in {(probe.probe, probe.n) for probe in view.probes})
    for probe in view.probes:
        of = [] if probe.input == "default" else [probe.input]
        of += [size(probe.n)] if sizes[probe.probe] > 1 else []
        of.append(f"{probe.threads} thread" + ("s" if probe.threads > 1 else ""))
        bounds = ""
        if probe.lo is not None and probe.hi is not None:
            bounds = " .. ".join(
                probes.value_of(probe._replace(value=v)) for v in (probe.lo, probe.hi)
            )
        variant = "" if probe.variant == "probe" else probe.variant
        rows.append((probe.probe, " · ".join(of), variant, probes.value_of(probe), bounds))
    return rows


class Provenance(NamedTuple):
    """Where the figures of a run come from. lacking: how much is missing, in words."""

    name: str
    facts: list[tuple[str, str]]
    missing: list[str]
    warnings: list[str]
    lacking: str


def provenance_of(view: View, name: str) -> Provenance:
    run = view.run
    plan = run["plan"]
    ranks = stats.order_ranks(plan["launches"])
    told = f", intervals from rank {ranks[0]} to {plan['launches'] + 1 - ranks[0]} of them " \
        f"({100 * ranks[1]:.1f}%)" if ranks else ", too few for an interval"
    facts = [("run", run["name"]), ("measured", f"{run['started']} to {run['finished']}, "
             f"{duration(run['seconds'])}"), ("launches", f"{plan['launches']}{told}")]  # fmt: skip
    facts += [(fact.name, safe(fact.of(view))) for fact in FACTS if fact.name != "machine"]
    floors = noise_floors([row.cell for row in view.rows])
    told = ", ".join(f"{name} ±{100 * (ratio - 1):.2f}%" for name, ratio in floors.items())
    facts.append(("noise floor", told or "no placebo"))
    libraries = ", ".join(f"{name} {value}" for name, value in sorted(run["libraries"].items()))
    facts.append(("libraries", libraries or "none"))
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    missing = [
        f"{'/'.join(filter(None, (e['kernel'], e['variant'])))}: {needs_of(e, kernels)}"
        for e in run["missing"]
    ] + [f"{e['kernel']} n {e['n']:,}: {e['reason']}" for e in run["left_out"]]
    warnings = [lost.told for lost in (*failures_grouped(run), *failed_grouped(run))]
    warnings += [
        f"{row.cell.kernel['name']}/{row.cell.variant} n {row.cell.n:,} is withheld: "
        f"{row.share.of_ceiling:.2f} of {row.cell.probe}"
        for row in view.rows if row.share and row.impossible
    ]  # fmt: skip
    warnings += [
        f"{row.cell.kernel['name']} was judged {row.verdict} than its own copy: something "
        "disturbed this run"
        for row in view.rows if row.cell.kernel["placebo"] and row.verdict in MOVED
    ]  # fmt: skip
    warnings += [f"note: {note}" for note in run["notes"]]
    lacking = f"{len(missing):,} missing or left out"
    return Provenance(name, facts, _shown(missing, 200), _shown(warnings, 50), lacking)


def _shown(lines: list[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"and {more:,} more, which `headroom show` has"]
