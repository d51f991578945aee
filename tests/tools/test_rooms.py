"""The package's rooms: what stands in a lower one knows nothing of what stands in a higher one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import CHECKOUT

PACKAGE = CHECKOUT / "tools" / "headroom_tools"

# The rooms from the bottom up, and which others each may import: the way of the data is
# program, launch, record (measure), rows, verdicts (show, compare, scale), page.
MAY_IMPORT = {
    "base": "",
    "stats": "",
    "machine": "base",
    "record": "base stats machine",
    "fixtures": "base record",
    "measure": "base machine record fixtures",
    "show": "base stats machine record",
    "compare": "base stats machine record show",
    "fleet": "base stats compare",
    "scale": "base stats machine record",
    "export": "base stats machine record show",
    "plot": "base stats machine record show compare scale",
    "guide": "base",
    "report": "base stats record show compare fleet plot guide",
    "ab": "base stats machine record measure compare",
    "cite": "base stats record show compare export ab",
    "selfcheck": "base stats record measure show compare ab",
    "cli": "base machine record fixtures measure show compare fleet scale export plot guide"
    " report cite selfcheck ab",
}


def modules(package: Path) -> dict[str, Path]:
    """{dotted name below the package: file}; a room itself by its own name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = list(path.relative_to(package).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], package: str) -> set[str]:
    """The modules of the package that a file imports, wherever in it that happens."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by the full name"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name[len(package) + 1 :] in known else base for name in names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {n[len(package) + 1 :] for n in names if f"{n}.".startswith(f"{package}.")}
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def upward(package: Path, may_import: dict[str, str]) -> list[str]:
    """`module -> module` of each import that `may_import` doesn't have."""
    known = modules(package)
    return [
        f"{module} -> {target}"
        for module, path in known.items()
        for target in sorted(imports(path, known, package.name))
        if module not in ("", "__main__")
        and room(target) not in (room(module), *may_import[room(module)].split())
    ]


def arrows() -> dict[str, set[str]]:
    known = modules(PACKAGE)
    return {module: imports(path, known, PACKAGE.name) for module, path in known.items()}


def test_every_room_is_listed():
    found = {room(module) for module in arrows()} - {"", "__main__"}
    assert found == set(MAY_IMPORT)


def test_arrows_point_down():
    order = list(MAY_IMPORT)
    for name, below in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(name) for other in below.split()), name
    assert upward(PACKAGE, MAY_IMPORT) == []


def test_no_arrow_is_allowed_that_nobody_needs():
    used: dict[str, set[str]] = {}
    for module, targets in arrows().items():
        used.setdefault(room(module), set()).update(map(room, targets))
    for name, below in MAY_IMPORT.items():
        assert used[name] - {name} == set(below.split()), name


def test_no_two_modules_need_each_other():
    below = arrows()
    while below:
        free = [module for module, targets in below.items() if not targets & set(below)]
        assert free, f"in a circle: {', '.join(below)}"
        for module in free:
            del below[module]


@pytest.mark.parametrize(
    "line",
    [
        "from rooms.high import top",
        "from rooms.high.top import name",
        "import rooms.high.top",
        "def late():\n    from rooms.high import top",
    ],
)
def test_an_upward_import_is_found(tmp_path, line):
    package = tmp_path / "rooms"
    for name in ("low", "high"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text('"""A room."""\n')
    (package / "__init__.py").write_text("")
    (package / "high" / "top.py").write_text("from rooms.low import bottom\n")
    (package / "low" / "bottom.py").write_text("import os\n")
    allowed = {"low": "", "high": "low"}
    assert upward(package, allowed) == []
    (package / "low" / "bottom.py").write_text(f"{line}\n")
    assert upward(package, allowed) == ["low.bottom -> high.top"]


def test_every_room_says_its_job():
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    for module, path in modules(PACKAGE).items():
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"
        name = path.relative_to(PACKAGE)
        if name.name == "__init__.py" and module:
            assert f"| {module}/" in readme, f"README.md doesn't list {module}/"
            assert len(ast.parse(text).body) == 1, f"{module}: a room is its docstring"
