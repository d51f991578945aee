"""The noise floor of a run: what its placebos, two builds of the same code, tell apart."""

from __future__ import annotations

from headroom_tools import stats
from headroom_tools.record.cells import Cell, of_launches


def noise_floors(cells: list[Cell]) -> dict[str, float]:
    """{class: ratio >= 1}: how far each class's placebos strayed from 1."""
    by_class: dict[str, list[list[float]]] = {}
    for cell in cells:
        if cell.kernel["placebo"] and not (cell.is_baseline(cell.baseline) or cell.beside):
            by_class.setdefault(cell.kernel["placebo"], []).append(of_launches(cell.log_ratio))
    floors = {name: stats.noise_floor(values) for name, values in by_class.items()}
    return {name: floor for name, floor in floors.items() if floor is not None}
