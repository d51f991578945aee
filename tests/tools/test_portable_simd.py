"""What compiles on x86 and not where vectors have no size that is known beforehand (SVE, RISC-V):
they are no member of a structure. CI compiles for x86 alone; `make test-aarch64` for SVE."""

from __future__ import annotations

import re

from conftest import CHECKOUT

MEMBER = re.compile(
    r"\b(?:struct|class)\s+\w+[^;{}()]*\{[^{}]*?\b(?:hn::)?(?:Vec|Mask)<[^;(){}]*>\s+\w+\s*"
    r"(?:,\s*\w+\s*)*;"
)
# Compiled for x86 and NEON only.
SIZED = {"simd/crc32-inl.h"}


def test_no_structure_has_a_vector_in_it() -> None:
    kernels = CHECKOUT / "kernels"
    sources = [path for path in kernels.rglob("*") if path.suffix in (".h", ".cpp")]
    found = {str(path.relative_to(kernels)): bool(MEMBER.search(path.read_text(encoding="utf-8")))
             for path in sources}  # fmt: skip
    assert {name for name, has in found.items() if has} == SIZED


def test_a_vector_in_a_structure_is_seen() -> None:
    assert MEMBER.search("template <class D>\nstruct Halves {\n  hn::Vec<D> upper, lower;\n};")
    assert not MEMBER.search("struct Halves {\n  int n;\n};\nvoid f() {\n  hn::Vec<D> upper;\n}")
