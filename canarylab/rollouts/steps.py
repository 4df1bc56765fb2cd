"""The steps of a canary in words, in the terms of Argo's specification. Pure.

https://argo-rollouts.readthedocs.io/en/stable/features/specification/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canarylab.kube.objects import Object
from canarylab.kube.times import duration


def in_words(step: Object) -> str:
    """A step on one line: `setWeight 25`, `pause 10s`, `analysis success-rate`."""
    kind = next((name for name, value in step.items() if value is not None), "")
    say = _SAYINGS.get(kind)
    return say(step[kind]) if say else kind or "an empty step"


def pause_seconds(step: Object) -> float | None:
    """For how long a pause lasts; None for one that only a person ends, and for any other step."""
    found = (step.get("pause") or {}).get("duration")
    return None if found is None else duration(found)


def _pause(value: Mapping[str, Any]) -> str:
    found = value.get("duration")
    return "pause" if found is None else f"pause {found}s" if str(found).isdecimal() else f"pause {found}"


def _scale(value: Mapping[str, Any]) -> str:
    """The first that is given counts: UseSetCanaryScale in argo-rollouts/utils/replicaset/canary.go."""
    if value.get("matchTrafficWeight"):
        return "setCanaryScale matchTrafficWeight"
    given = next((f"{key} {value[key]}" for key in ("replicas", "weight") if value.get(key) is not None), "")
    return f"setCanaryScale {given}".rstrip()


def _route(kind: str, value: Mapping[str, Any]) -> str:
    """One without a match takes the route away."""
    if not value.get("match"):
        return f"{kind} {value.get('name', '')} removed"
    share = value.get("percentage")
    return f"{kind} {value.get('name', '')}" + ("" if share is None else f" {share} %")


def _templates(kind: str, key: str, value: Mapping[str, Any]) -> str:
    names = ", ".join(template.get(key, "") for template in value.get("templates") or ())
    return f"{kind} {names}".rstrip() + (f" {value['duration']}" if value.get("duration") else "")


_SAYINGS: Mapping[str, Callable[[Any], str]] = {
    "setWeight": lambda value: f"setWeight {value}",
    "pause": _pause,
    "setCanaryScale": _scale,
    "setHeaderRoute": lambda value: _route("setHeaderRoute", value),
    "setMirrorRoute": lambda value: _route("setMirrorRoute", value),
    "analysis": lambda value: _templates("analysis", "templateName", value),
    "experiment": lambda value: _templates("experiment", "name", value),
    "plugin": lambda value: f"plugin {value.get('name', '')}".rstrip(),
}
