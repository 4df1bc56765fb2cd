"""The step `set-image`: begins an update to an image, or ends one by setting the stable image back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step, StepOptions
from canarylab.demo import claims, plugin
from canarylab.demo.required import require_images
from canarylab.demo.waiting import BeginOptions, expect
from canarylab.errors import ExpectationError
from canarylab.rollouts.view import RolloutView, read_rollout


def _distinct(images: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if images and len(set(images)) != len(images):
        raise ValueError("an image is listed twice, so it could be its own successor")
    return images


class SetImageOptions(BeginOptions):
    """Exactly one of `images`, `image` and `back` says which image."""

    container: str = Field(description="container of the pod template whose image is set")
    images: Annotated[tuple[str, ...] | None, AfterValidator(_distinct), Field(min_length=2)] = Field(
        None, description="the one after the stable image is set; after the last comes the first"
    )
    image: str | None = Field(None, min_length=1, description="this one is set, whichever is stable")
    back: Literal[True] | None = Field(None, description="the stable image is set again, which ends an update")

    @model_validator(mode="after")
    def _one_of_them(self) -> SetImageOptions:
        if sum(option is not None for option in (self.images, self.image, self.back)) != 1:
            raise ValueError("expected exactly one of images, image and back: which image is to be set")
        return self


class SetImage(Step):
    """Sets the image by the plugin, and waits until the controller has begun: not for how it ends."""

    kind: ClassVar[str] = "set-image"
    Options: ClassVar[type[StepOptions]] = SetImageOptions
    options: SetImageOptions

    def check(self, ctx: Context) -> None:
        require_images(ctx, self, "images", self.options.images or ())
        require_images(ctx, self, "image", [self.options.image] if self.options.image else [])

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        view = read_rollout(ctx, options.namespace, options.rollout)
        old = stable_image(ctx, view, options.container)
        new = self._wanted(ctx, old)
        if view.images.get(options.container) == new:
            raise _already(ctx, view, new, "no update has begun" if new == old else "its update has begun before")
        command = plugin.plugin(ctx).set_image(options.namespace, options.rollout, options.container, new)
        plugin.run(ctx, command)

        def look(now: RolloutView) -> Iterable[Claim]:
            return [_ended(now, new) if new == old else _begun(now, options.container, old, new)]

        expect(ctx, self, options, look, options.timeout)

    def _wanted(self, ctx: Context, stable: str) -> str:
        if self.options.images is not None:
            return successor(stable, [ctx.provider.images.reference(image) for image in self.options.images])
        return ctx.provider.images.reference(self.options.image) if self.options.image is not None else stable


def stable_image(ctx: Context, view: RolloutView, container: str) -> str:
    """The container's image in the stable revision. Raises ExpectationError if there is none."""
    if view.stable is None:
        raise ExpectationError(
            f"Rollout {view.name} has no stable revision yet",
            why=claims.cause(view),
            remedy=f"`{ctx.command('up')}` brings it up; `{ctx.command('status')}` shows it",
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


def _already(ctx: Context, view: RolloutView, image: str, why: str) -> ExpectationError:
    return ExpectationError(
        f"setting the image would change nothing: the template of Rollout {view.name} already asks for {image}",
        where="demo step set-image",
        why=f"{why}: it is {view}",
        remedy=f"name another image, or bring it to rest first with `{ctx.command('demo --reset')}`",
    )


def _begun(view: RolloutView, container: str, old: str, new: str) -> Claim:
    canary = view.canary
    holds = canary is not None and canary.images.get(container) == new
    return Claim(f"set image, from {old}", f"{new} in a new revision", str(canary or view), holds, claims.cause(view))


def _ended(view: RolloutView, image: str) -> Claim:
    """The controller has seen that the stable revision is the wanted one again; its pods may still have to start."""
    wanted, seen = f"{image}, of the stable revision", str(view.canary or view.stable or view)
    return Claim("set image back", wanted, seen, not view.updating, claims.cause(view))
