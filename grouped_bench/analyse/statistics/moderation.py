"""Variances from few processes, moderated by those of the other pairs (Smyth, 2004).

The variance of a pair's processes is drawn around a typical one, as an inverse chi-square with some degrees of freedom.
The typical one grows with the ratio: what two variants have in common moves both, and twins have most in common. All of
it is found from the pairs of a run, with what runs on record have shown as a prior. What the few rounds of a slow call
leave open comes on top of it: each pair's own rounds show how much.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

_DEVIATIONS = np.geomspace(0.003, 0.5, 32)
_EXPONENTS = np.linspace(0, 1, 6)
_FREEDOMS = np.geomspace(0.5, 32, 11)
# The growth is that of |log ratio| + _FLOOR, up to _CEILING.
_FLOOR, _CEILING = 0.01, 0.15
_MOST_PAIRS = 400
# A clock that never varies would make any difference certain.
_LEAST_VARIANCE = 1e-8
# A pair whose variance is larger than the others allow keeps its own, at this level.
_OUTLYING = 0.01


@dataclasses.dataclass(frozen=True)
class ProcessLogs:
    """One pair, or task: a logarithm for each process, and the variance of these that their own rounds explain."""

    logs: Sequence[float] | np.ndarray
    sampling: float = 0.0


@dataclasses.dataclass(frozen=True)
class Record:
    """What runs on record have shown: of each quantity its centre and spread, of logarithms but for the exponent.

    Args:
        deviation: standard deviation of a log ratio from process to process, of pairs far apart.
        exponent: with which it shrinks with the log ratio; None where it does not.
        freedom: degrees of freedom of its spread over pairs.
    """

    deviation: tuple[float, float]
    exponent: tuple[float, float] | None
    freedom: tuple[float, float]

    def density(self, deviations: np.ndarray, exponents: np.ndarray, freedoms: np.ndarray) -> np.ndarray:
        """Its logarithm for each prior, up to a constant."""
        of_deviation = np.log(deviations / self.deviation[0]) / self.deviation[1]
        of_exponent = (exponents - self.exponent[0]) / self.exponent[1] if self.exponent else 0.0
        of_freedom = np.log(freedoms / self.freedom[0]) / self.freedom[1]
        return np.asarray(-(of_deviation**2 + of_exponent**2 + of_freedom**2) / 2)


# Of pairs in the same rounds: 809 in eleven runs on two machines, 0.03 to 0.13, 0.4 to 1 and 1.7 to 9. The exponent is
# set low, since a run with few pairs must not take twins for surer than they are.
IN_ROUNDS = Record((0.07, math.log(1.8)), (0.4, 0.3), (3.0, math.log(2)))
# Of pairs in turn, and of latencies, which meet other weather each: 0.04 to 0.07 in quiet runs, 0.3 in busy ones.
IN_TURN = Record((0.1, math.log(2.5)), None, (1.5, math.log(2)))


@dataclasses.dataclass(frozen=True)
class Prior:
    """The typical variance of a pair's processes, and how many degrees of freedom it is worth.

    `variance` is that of pairs far apart, and `exponent` how its root shrinks with the log ratio.
    """

    variance: float
    exponent: float
    freedom: float

    def at(self, log_ratio: float) -> float:
        """The typical variance of a pair with this log ratio."""
        return float(self.variance * _growth(log_ratio) ** (2 * self.exponent))

    def moderated(self, processes: ProcessLogs) -> tuple[float, float]:
        """Variance and degrees of freedom of the logarithms of two processes or more, with what the prior adds."""
        from scipy import special  # takes a quarter second, which only a run has

        logs = processes.logs
        variance, freedom = _variance(logs), len(logs) - 1
        typical = self.at(float(np.mean(logs))) + processes.sampling
        if special.fdtrc(freedom, self.freedom, variance / typical) < _OUTLYING:
            return variance, freedom
        total = self.freedom + freedom
        return (self.freedom * typical + freedom * variance) / total, total


def fit(processes: Iterable[ProcessLogs], record: Record = IN_ROUNDS) -> Prior:
    """The prior that the pairs of a run make most likely, a few hundred suffice; that of earlier runs without any.

    Args:
        processes: of each pair or task; those of a single process say nothing.
        record: what earlier runs have shown.
    """
    from scipy import special

    several = [one for one in processes if len(one.logs) > 1]
    grid = (_DEVIATIONS, _EXPONENTS if record.exponent else np.zeros(1), _FREEDOMS)
    deviations, exponents, nu = np.meshgrid(*grid, indexing="ij", sparse=True)
    told = record.density(deviations, exponents, nu)
    for one in several[:: max(1, math.ceil(len(several) / _MOST_PAIRS))]:  # together they would fill memory
        freedom, growth = len(one.logs) - 1, _growth(float(np.mean(one.logs)))
        typical = deviations**2 * growth ** (2 * exponents) + one.sampling
        ratio = math.log(_variance(one.logs) * freedom) - np.log(nu) - np.log(typical)
        told += freedom / 2 * ratio - (freedom + nu) / 2 * np.log1p(np.exp(ratio)) - special.betaln(freedom / 2, nu / 2)
    best = np.unravel_index(int(np.argmax(told)), told.shape)
    likeliest = [float(values[index]) for values, index in zip(grid, best, strict=True)]
    return Prior(likeliest[0] ** 2, *likeliest[1:])


def _variance(logs: Sequence[float] | np.ndarray) -> float:
    return max(float(np.var(logs, ddof=1)), _LEAST_VARIANCE)


def _growth(log_ratio: float) -> float:
    """The deviation of a pair with this log ratio over that of pairs far apart, but for the exponent."""
    return min(abs(log_ratio) + _FLOOR, _CEILING) / _CEILING
