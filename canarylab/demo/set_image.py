"""The step `set-image`: begins an update to the next image of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from canarylab.demo import claims, plugin
from canarylab.demo.base import Claim, Session, Step, StepOptions
from canarylab.demo.rollout import RolloutView, read, watches
from canarylab.demo.waiting import wait_for
from canarylab.errors import ExpectationError
from canarylab.playbook.model import Seconds

if TYPE_CHECKING:
    from canarylab.context import Context


def _distinct(images: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(images)) != len(images):
        raise ValueError("an image is listed twice, so it could be its own successor")
    return images


class SetImageOptions(StepOptions):
    rollout: str = Field(description="name of the Rollout")
    namespace: str = Field("default", description="namespace of the Rollout")
    container: str = Field(description="container of the pod template whose image is set")
    images: Annotated[tuple[str, ...], AfterValidator(_distinct), Field(min_length=2)] = Field(
        description="the one after the stable image is set; after the last comes the first"
    )
    timeout: Seconds = Field(30, description="how long the controller may take to begin")


class SetImage(Step):
    """Goes from whatever image is stable to the next one, and waits until the controller has begun."""

    kind: ClassVar[str] = "set-image"
    Options: ClassVar[type[StepOptions]] = SetImageOptions
    options: SetImageOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        old = stable_image(read(ctx, options.namespace, options.rollout), options.container)
        new = successor(old, [ctx.provider.image_reference(image) for image in options.images])
        command = plugin.plugin(ctx).set_image(options.namespace, options.rollout, options.container, new)
        plugin.run(ctx, command)

        def look() -> Iterable[Claim]:
            return [_begun(read(ctx, options.namespace, options.rollout), options.container, old, new)]

        self.report(ctx, wait_for(ctx, watches(options.namespace), look, options.timeout))


def stable_image(view: RolloutView, container: str) -> str:
    """The container's image in the stable revision. Raises ExpectationError if there is none."""
    if view.stable is None:
        raise ExpectationError(
            f"Rollout {view.name} has no stable revision yet",
            why=claims.cause(view),
            remedy="`invoke up` brings it up; `invoke status` shows it",
        )
    if container not in view.stable.images:
        raise ExpectationError(
            f"Rollout {view.name} has no container {container}",
            remedy=f"the step's `container` must be one of: {', '.join(view.stable.images)}",
        )
    return view.stable.images[container]


def successor(image: str, images: Sequence[str]) -> str:
    """The image after this one in the list, around its end; the first one if it isn't in the list."""
    return images[(images.index(image) + 1) % len(images)] if image in images else images[0]


def _begun(view: RolloutView, container: str, old: str, new: str) -> Claim:
    canary = view.canary
    holds = canary is not None and canary.images.get(container) == new
    return Claim(f"set image, from {old}", f"{new} in a new revision", str(canary or view), holds, claims.cause(view))
