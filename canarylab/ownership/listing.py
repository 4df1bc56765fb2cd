"""Lists what somebody may have made of a kind, of whichever kinds there are: for decisions about deleting."""

from __future__ import annotations

from typing import Any

from canarylab.contract.context import Context
from canarylab.kube.client import ApiError, UnknownKindError

SECONDS = 30.0
"""For how long it is tried again: a kind whose definition has just been changed isn't served for some seconds."""
_PAUSE = 0.5
_NOT_FOUND = 404


def list_if_served(ctx: Context, api_version: str, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
    """All objects of that kind; none where the kind isn't served, or no more.

    Raises ApiError where it can't be known: not allowed, or no answer for too long.
    """
    end = ctx.cancel.now() + min(SECONDS, ctx.remaining)
    while True:
        try:
            return ctx.cluster.list(api_version, kind, namespace)
        except UnknownKindError:
            return []
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return []
            if not error.may_pass or ctx.cancel.now() > end:
                raise
            ctx.cancel.sleep(_PAUSE)
