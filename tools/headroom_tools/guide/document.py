"""GUIDE.md and its pictures, made of the techniques and the trees.

What stands between markers is kept: `headroom cite` fills it.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from headroom_tools.base.errors import HeadroomError
from headroom_tools.guide import drawing
from headroom_tools.guide.techniques import BY_KEY, INTRO, TECHNIQUES, Technique
from headroom_tools.guide.text import filled, wanted
from headroom_tools.guide.trees import SETUP, TREES, Step, Tree

NAME = "GUIDE.md"
FOLDER = "tools/headroom_tools/guide"  # of the pictures
RECORD = "@epyc-zen4-2c-24g-virtio/base"
CLUSTER = "@epyc-zen5-2c-24g-virtio/cluster"  # of what runs on ranks
_WIDTH = 140
_MARKER = re.compile(r"<!-- headroom: (.*?) -->(.*?)<!-- /headroom -->", re.S)

_HEAD = """\
# Which technique, and when

<!-- Made by `tools/headroom guide` from tools/headroom_tools/guide/: change it there. -->
INTRO

Is [a request slow](#a-request-is-slow), or does [a service collapse under
load](#a-service-collapses-under-load)? Answer the questions of that tree by measuring, and read
the section where it ends. Each section says what the technique does, which kernels show it, what
it gained here, which [axis](GLOSSARY.md) it leans on, and when it does not help.

Figures are speedups over the kernel's baseline (where it says *over*, over what one ships),
measured on a 2-core Zen 4 virtual machine, and of ranks on a 2-core Zen 5 one. *Weaker promise*:
part of the gain is paid with freshness or durability. `make report` puts this guide into a page
with the figures of your own machine.
"""


def kernel_file(root: Path, kernel: str) -> str:
    """The file that has a kernel: of its own name, or (two kernels in a file) of its beginning."""
    group, name = kernel.split("/")
    while name:
        path = f"kernels/{group}/{name}.cpp"
        if (root / path).is_file():
            return path
        name = name.rpartition("_")[0] or name[:-1]
    raise HeadroomError(f"{kernel}: no file in kernels/{group}/ has this kernel", 1)


def anchor(title: str) -> str:
    """A heading's, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _link(key: str) -> str:
    title = drawing.name_of(key)
    return f"[{title}](#{anchor(title)})"


class _Writer:
    """Writes Markdown. kept: what stood between markers, by what the marker says."""

    def __init__(self, root: Path, old: str):
        self.root = root
        self.kept = {" ".join(body.split()): text for body, text in _MARKER.findall(old)}

    def figure(self, cell: str, quantity: str) -> str:
        """A marker, with what stood there."""
        record = CLUSTER if cell.startswith("cluster/") else RECORD
        body = f"{cell} {quantity} brief {record}"
        return f"<!-- headroom: {body} -->{self.kept.get(body, '')}<!-- /headroom -->"

    def kernel(self, name: str) -> str:
        return f"[{name}]({kernel_file(self.root, name)})"

    def prose(self, text: str) -> str:
        """A paragraph or an item, a line: its figures would make a ragged one of several."""
        return filled(text, self.figure, self.kernel) + "\n"

    def _show(self, what: str, cell: str, quantity: str) -> str:
        own = wanted(cell)
        rest = "".join(
            [f", {own.input}"] * bool(own.input)
            + [f", {own.threads} threads"] * bool(own.threads)
            + [f", {value} {name}" for name, value in own.params.items()]
        )
        return (
            f"{what[0].upper()}{what[1:]} (`{own.kernel}`, `{own.variant}`, n {own.n:,}{rest}): "
            f"**{{{cell} {quantity}}}**"
        )

    def technique(self, one: Technique) -> str:
        about = f"*{one.about.capitalize()}; leans on {one.axes}.*"
        lines = [f"## {one.title}\n\n", self.prose(f"{about} {one.what}")]
        lines += [self.prose(f"- {self._show(*show)}") for show in one.shows]
        lines.append(self.prose(f"- **When it does not help.** {one.no_gain}"))
        if one.kernels:
            by_group: dict[str, list[str]] = {}
            for kernel in one.kernels:
                group, _, name = kernel.partition("/")
                file = kernel_file(self.root, kernel)
                by_group.setdefault(group, []).append(f"[{name}]({file})")
            told = "; ".join(
                f"[{group}](kernels/{group}/README.md): {', '.join(names)}"
                for group, names in by_group.items()
            )
            told = f"{told}. {one.lacks}".rstrip()
            lines.append(self.prose(f"- **Kernels.** {told}"))
        elif one.lacks:
            lines.append(self.prose(f"- **Kernels.** {one.lacks}"))
        return "".join(lines)


def _row(step: Step, tree: Tree) -> str:
    yes = tree.ways if step is tree.fork else ", ".join(map(_link, step.yes))
    return f"| {step.number} | {step.question} | {step.read} | {yes} |"


def _tree(tree: Tree) -> str:
    picture = f"![{drawing.described(tree)}]({FOLDER}/{tree.key}.svg)"
    rows = [_row(step, tree) for step in tree.steps]
    commands: dict[str, list[str]] = {}
    for step in tree.steps:
        commands.setdefault(step.how, []).append(step.number)
    told = [f"{tree.load}   # the load; kill $LOAD ends it"]
    told += [f"{how}   # {', '.join(numbers)}" for how, numbers in commands.items()]
    ends = (
        f"No to question {tree.yes.steps[-1].number}: {', '.join(map(_link, tree.yes.otherwise))}. "
        f"No to question {tree.no.steps[-1].number}: {', '.join(map(_link, tree.no.otherwise))}."
    )
    return "\n".join([
        f"## {tree.title}\n", picture, "",
        textwrap.fill(tree.about, _WIDTH, break_long_words=False, break_on_hyphens=False), "",
        "| | question | yes if | yes leads to |", "|---|---|---|---|", *rows, "",
        f"{ends}\n", "```", *told, "```", "",
    ])  # fmt: skip


def _measuring() -> str:
    return "\n".join([
        "## Before you measure\n",
        "The commands need Linux, and `apt install curl wrk strace sysstat linux-perf` (perf and "
        "strace ask for root, psql for a PostgreSQL). Where",
        "perf has no counters (many virtual machines) question 7 stays open: take it for a no. Run "
        "these lines once, in the shell of the others:",
        "```", SETUP, "```", "",
        "The thresholds are rules of thumb: a yes says where to look first, not how much there is "
        "to gain. Repair one thing, then measure again.", "",
    ])  # fmt: skip


def guide(root: Path, old: str) -> str:
    """GUIDE.md. old: as it is, for its figures."""
    writer = _Writer(root, old)
    head = _HEAD.replace("INTRO\n", writer.prose(INTRO))
    parts = [head, _measuring(), *map(_tree, TREES), *map(writer.technique, TECHNIQUES)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def files(root: Path) -> dict[Path, str]:
    """GUIDE.md and the pictures as they have to be."""
    target = root / NAME
    old = target.read_text(encoding="utf-8") if target.is_file() else ""
    found = {target: guide(root, old)}
    for tree in TREES:
        found[root / FOLDER / f"{tree.key}.svg"] = drawing.drawn(tree, alone=True)
    return found


assert len(BY_KEY) == len(TECHNIQUES)
