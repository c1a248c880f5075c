"""What the study shows, in words: never more than its intervals and corrections say."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.cells import DASH, TIMES, Cell, decimals, difference_text, number
from leaderboard.sensitivity_tests import Response


def by_metric(responses: Sequence[Response]) -> list[str]:
    """Say of one metric which artefacts it does not see, which late, and which it rewards."""
    label = responses[0].metric.label
    asked = [response for response in responses if response.measured]
    if not asked:
        return []
    if all(response.infinite for response in asked):
        return [f"{label}: of the reference itself it is infinite, so any change is seen."]
    blind = [response.graded.title for response in asked if not response.seen]
    lines = [
        f"{label}: at no level is it shown to see {_listed(blind)}."
        if blind
        else f"{label}: it sees each of the {len(asked)} artefacts at some level."
    ]
    late = [_late(r) for r in asked if r.threshold == len(r.tests) - 1 and len(r.tests) > 1]
    lines += [f"Only at its most severe level it sees {_listed(late)}."] if late else []
    praised = [_praised(response) for response in asked if response.rewarded]
    lines += [f"It scores {_listed(praised)} better than the reference."] if praised else []
    return [" ".join(lines)]


def by_artefact(responses: Sequence[Response]) -> str:
    """Say of one artefact which metrics see it at the mildest level, and which at none."""
    asked = [response for response in responses if response.measured]
    if not asked:
        return f"{responses[0].graded.title}: not scored beside the reference."
    graded = asked[0].graded
    blind = [response.metric.label for response in asked if not response.seen]
    parts = [f"at its mildest, {graded.level_text(0)}, {_seers(asked)}"]
    parts += [f"no level is seen by {_listed(blind)}"] if blind else []
    return f"{graded.title}: {'; '.join(parts)}."


def _seers(asked: Sequence[Response]) -> str:
    """Say which metrics see the mildest level, by the shorter of two lists."""
    first = [response.metric.label for response in asked if response.threshold == 0]
    others = [response.metric.label for response in asked if response.threshold != 0]
    if not others:
        return "every metric sees it"
    if not first:
        return "no metric sees it"
    return (
        f"all but {_listed(others)} see it"
        if len(others) < len(first)
        else f"it is seen by {_listed(first)}"
    )


def _late(response: Response) -> str:
    return f"{response.graded.title} ({response.graded.level_text(-1)})"


def _praised(response: Response) -> str:
    levels = _listed([response.graded.level_text(place) for place in response.rewarded])
    return f"{response.graded.title} ({levels})"


def _listed(names: Sequence[str]) -> str:
    """Join names as a sentence does; none is "none"."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def response_cell(response: Response) -> Cell:
    """Write the mildest level that is seen."""
    if not response.measured:
        return Cell("n/a", state="not-applicable", title="Not scored beside the reference")
    notes: tuple[str, ...] = ("∞: no test",) if response.infinite else ()
    notes += (_better(response),) if response.rewarded else ()
    at = response.threshold
    if at is None:
        return Cell("not seen", state="missing", notes=notes, title=_title(response))
    text = f"{response.graded.levels[at]:g}"
    return Cell(text, notes=notes, sort=str(at), title=_title(response))


def response_lines(response: Response) -> tuple[str, ...]:
    """Write how well the score follows the level, and the change at the most severe one."""
    if not response.measured:
        return ()
    found = (_followed(response), _change(response), _relative(response))
    return tuple(line for line in found if line)


def _title(response: Response) -> str:
    found = response.follows
    count = f"{found.n} utterances" if found else "no utterance at all levels"
    return f"{response.metric.label}, {response.graded.title}: {count}"


def _better(response: Response) -> str:
    levels = ", ".join(f"{response.graded.levels[place]:g}" for place in response.rewarded)
    return f"better at {levels}"


def _followed(response: Response) -> str:
    found = response.follows
    if found is None:
        return f"τ {DASH}"
    low, high = number(found.low, 2), number(found.high, 2)
    return f"τ {number(found.mean, 2)} [{low}, {high}]"


def _change(response: Response) -> str:
    """Write the difference from the reference at the most severe level."""
    last = response.tests[-1]
    if last is None:
        return ""
    mean, interval = difference_text(last.difference, decimals(last.metric))
    return f"Δ {mean} {interval}"


def _relative(response: Response) -> str:
    """Write that difference in units of the codec's at its lowest bit rate."""
    found = response.relative
    if found is None:
        return ""
    mean, low, high = (number(value, 2) for value in found)
    return f"{TIMES}{mean} [{low}, {high}]"
