"""A run for tests: stages that do what a test tells them, a playbook of them, and the context they run in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner

from canarylab.cancel import Cancel
from canarylab.contract.context import Context
from canarylab.contract.playbook import ClusterSpec, Limits, Playbook
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.events import Event, StageProgress
from canarylab.kube.watch import Watch
from canarylab.removal import Removal

Hook = Callable[[Context], object]


class Scripted(Stage[StageOptions, bool]):
    """Has one change until it was applied. `log`, shared by stages, has what was called, such as `apply a`.

    Hooks run inside the methods they are named after. `ill` has the reasons that health gives, one after the other.
    """

    kind = "scripted"
    Options = StageOptions

    def __init__(
        self,
        name: str,
        needs: Sequence[str] = (),
        *,
        log: list[str] | None = None,
        up_to_date: bool = False,
        idempotent: bool = True,
        on_observe: Hook | None = None,
        on_apply: Hook | None = None,
        on_health: Hook | None = None,
        ill: Iterable[str] = (),
        watched: Sequence[Watch] = (Watch("v1", "Pod"),),
    ) -> None:
        super().__init__(name, StageOptions(), needs)
        self.log = log if log is not None else []
        self.done = up_to_date
        self._idempotent = idempotent
        self._hooks = {"observe": on_observe, "apply": on_apply, "health": on_health}
        self._ill = list(ill)
        self._watched = watched

    def observe(self, ctx: Context) -> bool:
        self._call("observe", ctx)
        return self.done

    def changes(self, observed: bool) -> list[Change]:
        return [] if observed else [Change("create", f"thing {self.name}", "it isn't there", "+thing\n")]

    def apply(self, ctx: Context, observed: bool) -> None:
        assert observed is False
        self._call("apply", ctx)
        self.done = self._idempotent

    def health(self, ctx: Context) -> str | None:
        self._call("health", ctx)
        return self._ill.pop(0) if self._ill else None

    def watches(self) -> Sequence[Watch]:
        return self._watched

    def remove(self, ctx: Context) -> list[Removal]:
        self._call("remove", ctx)
        return [Removal(f"thing {self.name}", "removed")]

    def _call(self, method: str, ctx: Context) -> None:
        self.log.append(f"{method} {self.name}")
        if hook := self._hooks.get(method):
            hook(ctx)


class Heard(list[Event]):
    """The events of a run, in order."""

    def of(self, cls: type[Event]) -> list[Any]:
        return [event for event in self if isinstance(event, cls)]

    @property
    def progress(self) -> list[str]:
        """What stages said that they were doing."""
        return [event.message for event in self.of(StageProgress)]


def playbook_of(
    stages: Sequence[Stage[Any, Any]],
    *,
    limits: Mapping[str, Limits] | None = None,
    base: Path = Path("/nowhere"),
    profile: str = "unit-test",
) -> Playbook:
    """A playbook with these stages, as the loader would return it; their relative paths start at `base`."""
    for stage in stages:
        stage.base = base
    usual = {stage.name: Limits(60.0, 1) for stage in stages}
    return Playbook(
        name="test",
        description="",
        path=base / "playbooks" / "test.yaml",
        digest="0123abcd",
        cluster=ClusterSpec(profile=profile),
        stages=tuple(stages),
        limits={**usual, **(limits or {})},
        demo=(),
    )


def context_of(
    *stages: Stage[Any, Any],
    cluster: FakeCluster | None = None,
    provider: Any = None,
    runner: Any = None,
    limits: Mapping[str, Limits] | None = None,
    base: Path = Path("/nowhere"),
    emit: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
    profile: str = "unit-test",
) -> Context:
    """A context with a playbook of these stages; what isn't given is a fake that holds nothing."""
    return Context(
        playbook_of(stages, limits=limits, base=base, profile=profile),
        provider or FakeProvider(cluster),
        emit or Heard().append,
        cancel or Cancel(),
        runner or FakeRunner(),
    )
