"""Where the user's own manifests say what is told of: file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.validation.mistake import place_in

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_NAME = (("kind",), ("metadata", "namespace"), ("metadata", "name"))


def at(ctx: Context, obj: Object, *place: str | int) -> str:
    """` (FILE:LINE)` of a place in an object that a manifest of the playbook has; "" for anybody else's."""
    try:
        for stage in ctx.playbook.stages:
            for file, one in stage.written():
                if all(dig(one, *path) == dig(obj, *path) for path in _NAME):
                    return f" ({place_in(file, one, place)})"
    except (CanarylabError, OSError):  # the files are gone meanwhile
        return ""
    return ""
