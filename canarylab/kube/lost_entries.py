"""What an object lacks of what was applied: somebody took entries of a list out again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canarylab.kube.objects import Object, listed
from canarylab.yamlfile.problems import Place, key_path


def lost(wanted: Object, live: Object, manager: str) -> str:
    """The lists that are shorter than wanted, and who wrote the object last, `manager` aside; "" where there is none.

    A value that somebody else sets is theirs to set; of a part that is gone nothing works any more.
    """
    found = [f"{key_path(place)} has {have} of {want} entries" for place, have, want in _shorter(wanted, live, ())]
    if not found:
        return ""
    others = [one for one in listed(live, "metadata", "managedFields") if one.get("manager") != manager]
    latest = max(others, key=lambda one: str(one.get("time")), default=None)
    return "; ".join(found) + (f" ({latest['manager']} wrote it at {latest.get('time')})" if latest else "")


def _shorter(wanted: Any, live: Any, place: Place) -> Iterator[tuple[Place, int, int]]:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _shorter(value, live.get(key), (*place, key))
    elif isinstance(wanted, list) and isinstance(live, list):
        if len(live) < len(wanted):
            yield place, len(live), len(wanted)
            return
        for index, (one, other) in enumerate(zip(wanted, live, strict=False)):
            yield from _shorter(one, other, (*place, index))
