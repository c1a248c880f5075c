"""Puts labels beside points where they cover the fewest other labels and points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard.plots import INK, MUTED, plain

Box = tuple[float, float, float, float]
SIZE = 8.0  # points
# Offsets of a label's anchor from its point, in points, and which of its corners the anchor is.
PLACES = (
    (5, 4, "left", "bottom"), (-5, 4, "right", "bottom"), (5, -4, "left", "top"),
    (-5, -4, "right", "top"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (14, 12, "left", "bottom"), (-14, 12, "right", "bottom"), (14, -12, "left", "top"),
    (-14, -12, "right", "top"),
)  # fmt: skip


def place_labels(axes: Any, labels: Sequence[tuple[str, float, float, bool]]) -> None:
    """Write labels (text, x, y, whether it stands out) into axes whose limits are set.

    Those that stand out choose first. Sizes are estimated from the number of letters, so that a
    figure is the same whatever fonts a machine has.
    """
    scale = 72 / axes.figure.dpi
    at = [tuple(scale * axes.transData.transform((x, y))) for _, x, y, _ in labels]
    frame = _frame(axes, scale)
    taken: list[Box] = [(x - 3, y - 3, x + 3, y + 3) for x, y in at]
    for index in sorted(range(len(labels)), key=lambda i: not labels[i][3]):
        text, x, y, strong = labels[index]
        places = [(_box(at[index], text, place), place) for place in PLACES]
        box, place = min(places, key=lambda found: _cost(found[0], taken, frame))
        taken.append(box)
        axes.annotate(plain(text), (x, y), xytext=place[:2], textcoords="offset points",
                      ha=place[2], va=place[3], fontsize=SIZE, color=INK if strong else MUTED,
                      weight="bold" if strong else "normal", zorder=5)  # fmt: skip


def _frame(axes: Any, scale: float) -> Box:
    box = axes.get_window_extent()
    return scale * box.x0, scale * box.y0, scale * box.x1, scale * box.y1


def _box(at: Sequence[float], text: str, place: tuple[float, float, str, str]) -> Box:
    width, height = 0.58 * SIZE * len(text), 1.15 * SIZE
    left = at[0] + place[0] - {"left": 0.0, "right": width, "center": width / 2}[place[2]]
    low = at[1] + place[1] - (height if place[3] == "top" else 0.0)
    return left, low, left + width, low + height


def _cost(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """Return the covered area, with what leaves the frame counted ten times."""
    inside = _overlap(box, frame)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return sum(_overlap(box, other) for other in taken) + 10 * (area - inside)


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)
