"""The step `set-image`: begins an update to an image, or ends one by setting the stable image back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step, StepOptions
from canarylab.demo import claims
from canarylab.demo.pod_template import set_images, template_owner
from canarylab.demo.preconditions import require_images
from canarylab.demo.waiting import BeginOptions, expect
from canarylab.errors import ExpectationError
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.revisions import images_of, listed_images
from canarylab.rollouts.view import RolloutView, get_rollout, view_of


def _distinct(images: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if images and len(set(images)) != len(images):
        raise ValueError("an image is listed twice, so it could be its own successor")
    return images


class WhichImage(StepOptions):
    """Exactly one of `images`, `image` and `back` says which image."""

    images: Annotated[tuple[str, ...] | None, AfterValidator(_distinct), Field(min_length=2)] = Field(
        None, description="the one after the stable image is set; after the last comes the first"
    )
    image: str | None = Field(None, min_length=1, description="this one is set, whichever is stable")
    back: Literal[True] | None = Field(None, description="the stable image is set again, which ends an update")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(option is not None for option in (self.images, self.image, self.back)) != 1:
            raise ValueError("expected exactly one of images, image and back: which image is to be set")
        return self

    def wanted(self, ctx: Context, stable: str) -> str:
        """The image to set, given the stable one."""
        if self.images is not None:
            return successor(stable, [ctx.provider.images.reference(image) for image in self.images])
        return ctx.provider.images.reference(self.image) if self.image is not None else stable

    def require(self, ctx: Context, step: Step) -> None:
        """Raise ExpectationError, with the playbook's line, for an image that the cluster can't have."""
        require_images(ctx, step, "images", self.images or ())
        require_images(ctx, step, "image", [self.image] if self.image else [])


class SetImageOptions(WhichImage, BeginOptions):
    """Exactly one of `images`, `image` and `back` says which image; `also` has those of further containers."""

    container: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="container of the pod template whose image is set, or a list of those that get the same; init "
        "containers count"
    )
    also: dict[str, WhichImage] = Field(
        {}, description="by container: what is set in the same update, each by `images`, `image` or `back`"
    )

    @property
    def containers(self) -> dict[str, WhichImage]:
        """What is to be set, by container."""
        same = (self.container,) if isinstance(self.container, str) else self.container
        return {**dict.fromkeys(same, self), **self.also}


class SetImage(Step):
    """Sets the image, or several in one update, and waits until the controller has begun: not for how it ends."""

    kind: ClassVar[str] = "set-image"
    Options: ClassVar[type[StepOptions]] = SetImageOptions
    options: SetImageOptions

    def check(self, ctx: Context) -> None:
        for each in (self.options, *self.options.also.values()):
            each.require(ctx, self)

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        rollout = get_rollout(ctx, options.namespace, options.rollout)
        view = view_of(ctx, rollout)
        old = {container: stable_image(ctx, view, container) for container in options.containers}
        new = {container: which.wanted(ctx, old[container]) for container, which in options.containers.items()}
        asked = images_of(template_owner(ctx, rollout)["spec"]["template"])
        if new.items() <= asked.items():
            raise _already(ctx, view, new, "no update has begun" if new == old else "its update has begun before")
        set_images(ctx, options.namespace, options.rollout, new)

        def look(now: RolloutView) -> Iterable[Claim]:
            return [_ended(now, new) if _is_stable(view, new) else _begun(now, old, new)]

        expect(ctx, self, options, look, options.timeout)


def _is_stable(view: RolloutView, images: Mapping[str, str]) -> bool:
    """Whether all of the template's images are those of the stable revision again, once these are set."""
    stable = dict(view.stable.images) if view.stable else {}
    return {**stable, **view.images, **images} == stable


def stable_image(ctx: Context, view: RolloutView, container: str) -> str:
    """The container's image in the stable revision. Raises ExpectationError if there is none."""
    if view.stable is None:
        usual = f"`{ctx.command('up')}` brings it up; `{ctx.command('status')}` shows it"
        found = causes.with_trouble(ctx, view, f"it is {view}", usual)
        raise ExpectationError(f"Rollout {view.name} has no stable revision yet", why=found.why, remedy=found.remedy)
    if container not in view.stable.images:
        raise ExpectationError(
            f"Rollout {view.name} has no container {container}",
            remedy=f"the step's `container` must be one of: {', '.join(view.stable.images)}",
        )
    return view.stable.images[container]


def successor(image: str, images: Sequence[str]) -> str:
    """The image after this one in the list, around its end; the first one if it isn't in the list."""
    return images[(images.index(image) + 1) % len(images)] if image in images else images[0]


def _already(ctx: Context, view: RolloutView, images: Mapping[str, str], why: str) -> ExpectationError:
    return ExpectationError(
        f"setting the image would change nothing: the template of Rollout {view.name} already asks for "
        f"{listed_images(images)}",
        where="demo step set-image",
        why=f"{why}: it is {view}",
        remedy=f"name another image, or bring it to rest first with `{ctx.command('demo --reset')}`",
    )


def _begun(view: RolloutView, old: Mapping[str, str], new: Mapping[str, str]) -> Claim:
    canary = view.canary
    holds = canary is not None and new.items() <= canary.images.items()
    text, wanted = f"set image, from {listed_images(old)}", f"{listed_images(new)} in a new revision"
    return Claim(text, wanted, str(canary or view), holds, claims.cause(view))


def _ended(view: RolloutView, images: Mapping[str, str]) -> Claim:
    """The controller has seen that the stable revision is the wanted one again; its pods may still have to start."""
    wanted, seen = f"{listed_images(images)}, of the stable revision", str(view.canary or view.stable or view)
    return Claim("set image back", wanted, seen, not view.updating, claims.cause(view))
