"""A record as a small SVG: bars with the span of all rounds, or lines over the cases. Readable on light and on dark ground. Pure."""

from __future__ import annotations

import math
from html import escape

from .records import OURS, Case, Record
from .verdicts import number_text

WIDTH, LEFT, RIGHT = 760, 270, 660
ROW = 22
# Where nobody says what the ground is like, greys that can be read on both.
STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#777}.t{font-weight:600}.g{stroke:#888;stroke-opacity:.25}.w{stroke:#777}
.o{fill:#d9730d;stroke:#d9730d}.p{fill:#7d9cc0;stroke:#7d9cc0}
@media(prefers-color-scheme:light){text{fill:#333}.s{fill:#666}.w{stroke:#333}}
@media(prefers-color-scheme:dark){text{fill:#ddd}.s{fill:#aaa}.w{stroke:#ddd}}
</style>"""
COLOURS = ("#d9730d", "#4a86c5", "#3d9a6b", "#a06cc9", "#c9564a", "#8a8a3a", "#4aa8a8", "#c76a9e", "#808080")


class Scale:
    """Values to places between `low` and `high` on the paper; by factors, or from 0."""

    def __init__(self, values: list[float], low: float, high: float, *, log: bool) -> None:
        """Its ends are powers of ten around the values, or 0 and the largest."""
        self._low, self._high, self.log = low, high, log
        if log:
            self._from = float(math.floor(math.log10(min(values)) - 0.05))
            self._to = max(float(math.ceil(math.log10(max(values)))), self._from + 1)
        else:
            self._from, self._to = 0.0, max(values) * 1.05

    def __call__(self, value: float) -> float:
        """The place of a value."""
        at = math.log10(value) if self.log else value
        return self._low + (at - self._from) / (self._to - self._from) * (self._high - self._low)

    @property
    def marks(self) -> list[float]:
        """Where lines are drawn."""
        if self.log:
            return [10.0**power for power in range(int(self._from), int(self._to) + 1)]
        step = 10 ** math.floor(math.log10(self._to))
        step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if self._to / (step * part) <= 6)
        return [step * n for n in range(int(self._to / step) + 1)]


def draw(record: Record, *, log: bool, lines: bool) -> str:
    """The whole picture."""
    body, height = _lines(record) if lines else _bars(record, log=log)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        f"{STYLE}\n{body}\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _bars(record: Record, *, log: bool) -> tuple[str, int]:
    parts: list[str] = []
    y = 8
    for case in record.cases:
        panel, y = _panel(record, case, y, log=log)
        parts += panel
    return "\n".join(parts), y


def _panel(record: Record, case: Case, y: int, *, log: bool) -> tuple[list[str], int]:
    found = [(median, key) for key, entry in record.entries.items() if (median := entry.median(case.name)) is not None]
    found.sort(reverse=case.better == "higher")
    values = [value for _, key in found for value in record.entries[key].rounds(case.name)]
    if not found:
        return [], y
    if min(values) <= 0:
        log = False
    scale = Scale(values if max(values) > 0 else [1.0], LEFT, RIGHT, log=log)
    title = f"{case.name}, {case.unit}" if len(record.cases) > 1 else case.unit
    parts = [
        _text(LEFT, y + 14, title, kind="t"),
        _text(WIDTH - 8, y + 14, f"{case.better} is better{', log scale' if log else ''}", "end", "s"),
    ]
    top, bottom = y + 22, y + 22 + ROW * len(found)
    for mark in scale.marks:
        x = scale(mark)
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 13, f"{mark:g}" if mark < 1e4 else f"10{_power(mark)}", "middle", "s"))
    for number, (median, key) in enumerate(found):
        middle = top + ROW * number + ROW / 2
        rounds = record.entries[key].rounds(case.name)
        kind = "o" if key.startswith(OURS) else "p"
        parts.append(_text(LEFT - 8, middle + 4, record.entries[key].name, "end", "t" if kind == "o" else ""))
        parts.append(
            f'<rect class="{kind}" x="{LEFT}" y="{middle - 7:.0f}" width="{max(1.0, scale(median) - LEFT):.1f}" height="14"/>'
        )
        parts.append(
            f'<line class="w" x1="{scale(min(rounds)):.1f}" x2="{scale(max(rounds)):.1f}" y1="{middle:.0f}" y2="{middle:.0f}"/>'
        )
        parts.append(_text(max(scale(max(rounds)), scale(median)) + 6, middle + 4, number_text(median)))
    return parts, bottom + 24


def _lines(record: Record) -> tuple[str, int]:
    left, right, top, bottom = 70, 500, 30, 330
    values = [value for entry in record.entries.values() for case in record.cases for value in entry.rounds(case.name)]
    scale = Scale(values or [1.0], bottom, top, log=True)
    places = [left + (right - left) * n / max(1, len(record.cases) - 1) for n in range(len(record.cases))]
    first = record.cases[0]
    parts = [_text(left, 16, f"{first.unit}, {first.better} is better, log scale", kind="t")]
    for mark in scale.marks:
        parts.append(f'<line class="g" x1="{left}" x2="{right}" y1="{scale(mark):.1f}" y2="{scale(mark):.1f}"/>')
        parts.append(_text(left - 8, scale(mark) + 4, f"{mark:g}" if mark < 1e4 else f"10{_power(mark)}", "end", "s"))
    parts += [_text(x, bottom + 18, case.name, "middle", "s") for x, case in zip(places, record.cases, strict=True)]
    legend = []
    for number, (key, entry) in enumerate(record.entries.items()):
        points = [
            (x, median)
            for x, case in zip(places, record.cases, strict=True)
            if (median := entry.median(case.name)) is not None
        ]
        if not points:
            continue
        colour, width = COLOURS[number % len(COLOURS)], 3 if key.startswith(OURS) else 1.5
        path = " ".join(f"{x:.1f},{scale(value):.1f}" for x, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{scale(value):.1f}" r="3" fill="{colour}"/>' for x, value in points]
        legend.append((scale(points[-1][1]), entry.name, colour, key))
    y = 0.0
    for at, name, colour, key in sorted(legend):
        y = max(y + 17, at)  # names beside the ends of their lines, never on one another
        parts.append(f'<circle cx="{right + 22}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts.append(_text(right + 32, y + 4, name, kind="t" if key.startswith(OURS) else ""))
    return "\n".join(parts), max(bottom + 30, int(y) + 16)


def _power(value: float) -> str:
    return str(round(math.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
