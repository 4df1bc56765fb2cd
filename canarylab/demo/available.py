"""Images that steps are going to set: one that the cluster can't get is an error before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from canarylab.contract.step import Step
from canarylab.errors import ExpectationError
from canarylab.rollouts.validation import images

if TYPE_CHECKING:
    from canarylab.contract.context import Context


def require_images(ctx: Context, step: Step, option: str, references: Iterable[str]) -> None:
    """Raise ExpectationError, with the playbook's line, for the first that the cluster neither has nor can pull.

    Whether a registry has an image, only its pods can find out.
    """
    for reference in references:
        if missing := images.absent(ctx, ctx.provider.images.reference(reference)):
            raise ExpectationError(missing.what, where=step.where(option), why=missing.why, remedy=missing.remedy)
