"""How often the interval of a speedup holds the truth, on made-up launches whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

from headroom_tools import stats

if TYPE_CHECKING:
    import numpy as np

DRAWS = 10_000
LAUNCHES = (6, 10, 20)  # of the profiles quick, standard and thorough
ALLOWED = 0.015  # by which the measured coverage may fall short of the stated one
DISTURBED = 0.1  # share of the launches


class Covered(NamedTuple):
    """stated, measured: coverage of the order-statistic interval, as shares."""

    launches: int
    scenario: str
    stated: float
    measured: float

    @property
    def good(self) -> bool:
        return self.measured >= self.stated - ALLOWED


def _scenarios(
    rng: np.random.Generator, shape: tuple[int, int]
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """(name, log ratios less the truth), in units of the launch-to-launch spread."""
    import numpy as np

    plain = rng.normal(0.0, 1.0, shape)
    yield "independent launches", plain
    order = np.where(np.arange(shape[1]) % 2, 2.0, -2.0)
    yield "placement favours each arm in turn", plain + order
    hit = rng.random(shape) < DISTURBED
    far = rng.normal(0.0, 10.0, shape)
    yield "10% disturbed, either arm", np.where(hit, plain + far, plain)
    yield "10% disturbed, always the same arm", np.where(hit, plain + np.abs(far), plain)


def covered(draws: int = DRAWS, seed: int = 1) -> list[Covered]:
    """The coverage of the interval that `show` prints, by number of launches and scenario."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = []
    for launches in LAUNCHES:
        ranks = stats.order_ranks(launches)
        assert ranks is not None  # LAUNCHES are enough for an interval
        rank, stated = ranks
        for name, values in _scenarios(rng, (draws, launches)):
            ordered = np.sort(values, axis=1)
            holds = (ordered[:, rank - 1] <= 0) & (ordered[:, launches - rank] >= 0)
            found.append(Covered(launches, name, stated, float(holds.mean())))
    return found
