"""Samples, what they are compared with, and how both are shown."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Comparison", "Result", "Series", "difference", "figure", "ratio", "to_dict", "to_text"]

Unit = Literal["x", "ms", "us", "MB"]


@dataclass(frozen=True, slots=True)
class Series:
    """What one contender took, round by round.

    Attributes:
        name: the contender.
        samples: one figure a round.
        unit: what the figures are: seconds shown as milliseconds or microseconds, or bytes shown as megabytes.
    """

    name: str
    samples: tuple[float, ...]
    unit: Unit = "ms"

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles."""
        if len(self.samples) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure that a goal may be set for.

    Attributes:
        what: what is compared.
        value: the figure; seconds and bytes are not scaled yet.
        unit: what it is.
        goal: the largest value that meets the goal, or None.
    """

    what: str
    value: float
    unit: Unit
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one measurement.

    Attributes:
        title: what was measured.
        series: the contenders.
        comparisons: how they compare.
        notes: what was left out, and why.
    """

    title: str
    series: tuple[Series, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()


def ratio(ours: Series, other: Series, goal: float | None = None) -> Comparison:
    """Compare as a ratio: of the two samples of each round where both took part in every round, else of medians."""
    if len(ours.samples) == len(other.samples):
        value = statistics.median(a / b for a, b in zip(ours.samples, other.samples, strict=True))
    else:
        value = ours.median / other.median
    return Comparison(f"{ours.name} / {other.name}", value, "x", goal)


def difference(ours: Series, other: Series, goal: float | None = None) -> Comparison:
    """Compare as a difference, round by round."""
    value = statistics.median(a - b for a, b in zip(ours.samples, other.samples, strict=True))
    return Comparison(f"{ours.name} - {other.name}", value, ours.unit, goal)


def figure(series: Series, goal: float | None = None) -> Comparison:
    """Set a goal for a median itself."""
    return Comparison(series.name, series.median, series.unit, goal)


def to_dict(results: list[Result]) -> list[dict[str, Any]]:
    """The results as JSON takes them: every sample, and the medians."""
    return [
        asdict(result) | {"medians": {series.name: series.median for series in result.series}} for result in results
    ]


def to_text(result: Result) -> str:
    """One result as a table."""
    lines = [result.title]
    for series in result.series:
        middle, spread = _shown(series.median, series.unit), _shown(series.spread, series.unit)
        lines.append(f"  {series.name:<52} {middle:>12}  ± {spread:<10} ({len(series.samples)})")
    for item in result.comparisons:
        goal, verdict = "", ""
        if item.goal is not None:
            goal = f"goal {_shown(item.goal, item.unit)}"
            verdict = "met" if item.value <= item.goal else "MISSED"
        lines.append(f"  {'= ' + item.what:<52} {_shown(item.value, item.unit):>12}  {goal:<16} {verdict}".rstrip())
    lines += [f"  ({note})" for note in result.notes]
    return "\n".join(lines)


def _shown(value: float, unit: Unit) -> str:
    if unit == "x":
        return f"{value:.3f}"
    factor, name = {"ms": (1e3, "ms"), "us": (1e6, "us"), "MB": (1e-6, "MB")}[unit]
    return f"{value * factor:.3f} {name}" if abs(value * factor) < 10 else f"{value * factor:.1f} {name}"
