"""What has changed from one state to the next, a line for each change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.report.formatting import count, time_of_day
from canarylab.report.lines import Line, line
from canarylab.report.marks import PHASE_STYLES
from canarylab.rollouts.revisions import RevisionView, listed_images
from canarylab.watch.state import WatchState
from canarylab.watch.traffic import GatewayTraffic
from canarylab.watch.view import WatchView

_TROUBLE = "red"


def changes(before: WatchState | None, after: WatchState) -> list[Line]:
    """What merely passes, as ages and traffic do, is no change; the first state is one as a whole."""
    return [*_answers(before, after), *_of_view(before, after), *_mismatched(before, after), *_caused(before, after)]


def timed(each: Line, now: float) -> Line:
    """The line behind the time of day at `now`, in seconds since 1970."""
    return each.after(f"{time_of_day(now)}  ", "dim")


def _answers(before: WatchState | None, after: WatchState) -> Iterator[Line]:
    was, now = before and before.silence, after.silence
    if now and not was:
        yield line(f"no answer since {time_of_day(now.since)}: {now.why}", "yellow")
    if was and not now:
        yield line("the API server answers again", "green")


def _mismatched(before: WatchState | None, after: WatchState) -> Iterator[Line]:
    known = before.mismatched if before else ()
    for route in after.mismatched:
        if route not in known:
            yield line(f"{route.where} says {route.canary:g} to the canary, the status says otherwise", _TROUBLE)


def _caused(before: WatchState | None, after: WatchState) -> Iterator[Line]:
    """By the remedy, as a cause counts its seconds."""
    was, now = before.cause if before else None, after.cause
    if now and (was is None or was.remedy != now.remedy):
        yield line(f"it stands still: {now.why}", _TROUBLE)
        yield line(f"next: {now.remedy}")


def _of_view(before: WatchState | None, after: WatchState) -> Iterator[Line]:
    view, was = after.view, before.view if before else None
    if was == view:
        return
    if before and was and was.split_key != view.split_key:
        yield from _traffic(was, before.traffic)
    if was is None or was.rollout.status != view.rollout.status:
        name = "" if was else f"{view.rollout.namespace}/{view.rollout.name}: "
        yield line(name + view.rollout.status, PHASE_STYLES.get(view.rollout.phase, ""))
    for say in (_step, _weight):
        if (words := say(view)) and words != (was and say(was)):
            yield line(words)
    known = dict(was.services) if was else {}
    for service, number in view.services:
        if known.get(service) != number:
            yield line(f"Service {service} selects revision {number}" if number else f"Service {service} selects none")
    yield from _of_revisions(was, view)
    known_analyses = {str(one) for one in was.analyses} if was else set()
    for one in view.analyses:
        if str(one) not in known_analyses:
            yield line(str(one), _TROUBLE if one.run.phase in ("Failed", "Error") else "")


def _step(view: WatchView) -> str:
    if view.steps is None or view.rollout.aborted:
        return ""
    done = f"{view.steps.index}/{len(view.steps.words)} steps done"
    return f"{done}, now {view.steps.current}" if view.steps.current else done


def _weight(view: WatchView) -> str:
    if view.weights is None or not view.rollout.updating:
        return ""
    of = f" of {view.weights.whole}" if view.weights.whole != 100 else ""  # noqa: PLR2004 - percent
    return f"weight {view.weights.actual}{of} to the canary"


def _of_revisions(before: WatchView | None, after: WatchView) -> Iterator[Line]:
    former = {one.hash: one for one in before.revisions} if before else {}
    for revision in reversed(after.revisions):
        was = former.get(revision.hash)
        if was or revision.is_shown:
            yield from _of_revision(was, revision)
            yield from _of_pods(was, revision)


def _of_revision(before: RevisionView | None, after: RevisionView) -> Iterator[Line]:
    name = _name(after)
    if before is None or before.role != after.role:
        lost = before.role if before and not after.role else ""
        yield line(f"{name} isn't {lost} any more" if lost else f"{name}: {listed_images(after.images)}")
    if before is None or (before.ready, before.wanted) != (after.ready, after.wanted):
        yield line(f"{name}: {_pods(after)}")
    if after.trouble and (before is None or before.trouble != after.trouble):
        yield line(f"{name}: {after.trouble}", _TROUBLE)


def _of_pods(before: RevisionView | None, after: RevisionView) -> Iterator[Line]:
    former = {pod.name: pod for pod in before.pods} if before else {}
    for pod in after.pods:
        was = former.get(pod.name)
        if pod.own_words and not (was and was.own_words):  # its words go on changing
            yield line(f"Pod {pod.name}: {pod.own_words}", _TROUBLE)
        if was and pod.restarts > was.restarts:
            yield line(f"Pod {pod.name} has restarted, {count(pod.restarts, 'time')} by now", _TROUBLE)


def _pods(revision: RevisionView) -> str:
    if revision.wanted:
        return f"{revision.ready}/{revision.wanted} pods ready"
    return f"scales down, {count(revision.ready, 'pod')} still ready" if revision.ready else "scaled down"


def _name(revision: RevisionView) -> str:
    return f"revision {revision.number}" + (f" ({revision.role})" if revision.role else "")


def _traffic(view: WatchView, traffic: GatewayTraffic) -> Iterator[Line]:
    """How the traffic was split until now, at the moment at which the split changes."""
    if traffic.problem or not traffic.requests:
        return
    flows = ((one, traffic.flows.get(one.hash)) for one in view.revisions)
    shares = ", ".join(f"{flow.share:.1f} % to revision {one.number}" for one, flow in flows if flow and flow.requests)
    counted = f"of {traffic.requests:,} requests in {traffic.seconds:.0f} s"
    yield line(f"until now {shares}, {counted}, {traffic.errors:,} failed", _TROUBLE if traffic.errors else "")
