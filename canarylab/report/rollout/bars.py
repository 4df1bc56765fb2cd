"""Who should get how much of the traffic, and below it in the same scale who does. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from canarylab.report.formatting import count
from canarylab.report.marks import ROLE_STYLES, Marks
from canarylab.rollouts.revisions import Role
from canarylab.watch.state import WatchState
from canarylab.watch.traffic import GatewayTraffic
from canarylab.watch.view import Weights

_MIN, _MAX = 10, 40
_GAP = "  "
_ALARM = "bold red"
_AT_REST = ("stable", "active")

Segments = Sequence[tuple[Role, float]]
"""Percent by role, in the order in which they are drawn."""
Remark = Sequence[tuple[str, str]]
"""Words with a style each, the most important first: the last ones go where there is no room."""


def bars(state: WatchState, marks: Marks, width: int) -> dict[str, list[Text]]:
    """`weight` and `traffic`, the ones that there are, each in `width` columns if that is possible at all.

    What alarms is never left out: where it doesn't fit beside the bar, it stands below.
    """
    drawn = {"weight": (_wanted(state), 0, _weight_remark(state)), "traffic": (_got(state), 1, _traffic_remark(state))}
    room = max(len(_numbers(shares, decimals)) for shares, decimals, _ in drawn.values())
    size = max(_MIN, min(_MAX, (width - room - 2 * len(_GAP)) // 2))
    return {
        label: _line(_bar(shares, size, marks), _numbers(shares, decimals).rjust(room), remark, width)
        for label, (shares, decimals, remark) in drawn.items()
        if shares
    }


def no_traffic(traffic: GatewayTraffic) -> str:
    """Why there is no bar for it."""
    if traffic.problem:
        return traffic.problem
    through = f" through {', '.join(traffic.gateways)}" if traffic.gateways else ""
    return f"no requests{through}" if traffic.seconds else "counting"


def _wanted(state: WatchState) -> Segments:
    return [(one.role, share) for one, share in state.view.split]


def _got(state: WatchState) -> Segments:
    """With those that should get nothing, where others get something, and without those that get nothing rightly."""
    if state.traffic.problem or not state.traffic.requests:
        return []
    expected = {one.hash for one, _ in state.view.split}
    flows = [(one, state.traffic.flows[one.hash]) for one in state.view.revisions if one.hash in state.traffic.flows]
    return [(one.role, flow.share) for one, flow in flows if flow.requests or one.hash in expected]


def _numbers(shares: Segments, decimals: int) -> str:
    return " : ".join(f"{share:.{decimals}f}" for _, share in shares)


def _line(bar: Text, numbers: str, remark: Remark, width: int) -> list[Text]:
    bar.append(f"{_GAP}{numbers}", "bold")
    gap, shown = _GAP, 0
    for words, style in remark:
        if cell_len(bar.plain) + len(gap) + cell_len(words) > width:
            break
        bar.append(gap, "dim").append(words, style)
        gap, shown = ", ", shown + 1
    alarming = [(words, style) for words, style in remark[shown:] if style == _ALARM]
    return [bar, *(Text(line, style) for words, style in alarming for line in textwrap.wrap(words, max(_MIN, width)))]


def _bar(shares: Segments, width: int, marks: Marks) -> Text:
    """What isn't nothing gets a column at least."""
    bar, drawn, covered = Text(), 0, 0.0
    for position, (role, share) in enumerate(shares):
        covered += share
        to_come = sum(bool(other) for _, other in shares[position + 1 :])
        end = min(max(round(width * covered / 100), drawn + bool(share)), width - to_come)
        glyph = marks.bar_left if role in _AT_REST else marks.bar_done
        bar.append(glyph * (end - drawn), ROLE_STYLES[role])
        drawn = end
    return bar.append(" " * (width - drawn))


def _weight_remark(state: WatchState) -> Remark:
    weights, roles = state.view.weights, " : ".join(role for role, _ in _wanted(state))
    if state.mismatched:
        others = len(state.mismatched) - 1
        more = f" and {count(others, 'other')}" if others else ""
        return [(f"{state.mismatched[0].where} says {state.mismatched[0].canary:g}{more}", _ALARM)]
    return [(words, "dim") for words in [*(_weight_words(weights) if weights else ()), roles]]


def _weight_words(weights: Weights) -> list[str]:
    if not weights.routed:
        return ["by replicas"]
    words = [f"setWeight {weights.set} not reached"] if weights.set != weights.actual else []
    if weights.routes:
        words.append("its route agrees" if len(weights.routes) == 1 else f"{len(weights.routes)} routes agree")
    return words


def _traffic_remark(state: WatchState) -> Remark:
    traffic = state.traffic
    return [
        (f"{traffic.rate:,.1f}/s", "bold"),
        (f"{traffic.errors:,} failed", _ALARM if traffic.errors else "dim"),
        (f"{traffic.requests:,} in {traffic.seconds:.0f} s", "dim"),
    ]
