"""Before the first step: every Rollout that a step names is there, and every image that one sets can be had."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from demo_world import IMAGE, Stage, step
from support.runs import playbook_of

from canarylab.contract.step import Session, Step
from canarylab.demo.perform import perform
from canarylab.demo.preconditions import require_rollouts, rollouts_of
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.promote import Promote
from canarylab.demo.steps.set_image import SetImage
from canarylab.demo.steps.traffic import Traffic
from canarylab.errors import CanarylabError, ExpectationError
from canarylab.playbook.loader import load

PLAYBOOK = f"""\
name: try
cluster: {{profile: unit-test}}
stages: {{}}
every-step:
  container: rollouts-demo
demo:
  - healthy: {{rollout: rollouts-demo}}
  - set-image:
      rollout: rollouts-demo
      images:
        - {IMAGE}:blue
        - {IMAGE}:yelow
  - promote:
      rollout: rollouts-dema
"""


@pytest.fixture
def stage() -> Stage:
    found = Stage()
    found.ctx = dataclasses.replace(found.ctx, playbook=playbook_of([]))
    return found


def of_file(stage: Stage, folder: Path, text: str) -> tuple[Step, ...]:
    """The steps of a playbook, which is then the one that is performed."""
    file = folder / "try.yaml"
    file.write_text(text)
    stage.ctx = dataclasses.replace(stage.ctx, playbook=load(file))
    return stage.ctx.playbook.demo


def test_each_rollout_is_named_once_in_the_order_of_the_steps():
    steps = [
        step(Healthy, rollout="b", namespace="shop"),
        step(Traffic, state="stop"),
        step(Healthy, rollout="a"),
        step(Promote, rollout="b", namespace="shop"),
    ]
    assert rollouts_of(steps) == [("shop", "b"), ("default", "a")]


def test_one_that_is_not_there_is_reported_with_the_playbook_s_line_before_anything_is_run(
    stage: Stage, tmp_path: Path
):
    steps = of_file(stage, tmp_path, PLAYBOOK)
    with pytest.raises(ExpectationError) as raised:
        perform(stage.ctx, steps)
    assert raised.value.where == f"{tmp_path}/try.yaml:14: demo step promote"
    assert raised.value.what == "there is no Rollout default/rollouts-dema"
    assert "did you mean default/rollouts-demo?" in str(raised.value.remedy)
    assert "if it isn't up yet, `invoke up`" in str(raised.value.remedy)
    assert stage.events == []


def test_the_same_name_elsewhere_means_the_namespace_was_forgotten(stage: Stage):
    with pytest.raises(ExpectationError, match=r"did you mean `namespace: default`\? known: default/rollouts-demo"):
        require_rollouts(stage.ctx, [step(Healthy, rollout="rollouts-demo", namespace="shop")])


def test_where_there_is_none_at_all_up_is_the_remedy(stage: Stage):
    stage.world.objects = lambda _kind: []  # type: ignore[method-assign]
    with pytest.raises(ExpectationError, match="known: none; if it isn't up yet, `invoke up`"):
        require_rollouts(stage.ctx, [step(Healthy, rollout="rollouts-demo")])


def test_a_cluster_without_argo_rollouts_says_so(stage: Stage):
    stage.cluster.kinds.clear()
    with pytest.raises(ExpectationError, match="the cluster has no Argo Rollouts"):
        require_rollouts(stage.ctx, [step(Healthy, rollout="rollouts-demo")])


class TestImages:
    @pytest.fixture
    def steps(self, stage: Stage, tmp_path: Path) -> tuple[Step, ...]:
        images = [{"names": [f"{IMAGE}:blue"]}, {"names": [f"{IMAGE}:yellow"]}]
        stage.world.others["Node"] = [{"status": {"images": images}}]
        stage.provider.images.ours = lambda _ctx: []  # type: ignore[attr-defined]
        return of_file(stage, tmp_path, PLAYBOOK.replace("dema", "demo"))

    def test_one_that_is_not_available_is_reported_before_anything_is_run(
        self, stage: Stage, steps: tuple[Step, ...], tmp_path: Path
    ):
        with pytest.raises(ExpectationError) as raised:
            perform(stage.ctx, steps)
        assert raised.value.where == f"{tmp_path}/try.yaml:10: demo step set-image"
        assert raised.value.what == f"the cluster has no image {IMAGE}:yelow"
        assert f"did you mean {IMAGE}:yellow?" in str(raised.value.remedy)
        assert stage.runner.commands == []
        assert stage.events == []

    def test_a_single_one_is_looked_at_too(self, stage: Stage, steps: tuple[Step, ...]):
        assert steps
        one = step(SetImage, rollout="rollouts-demo", container="rollouts-demo", image=f"{IMAGE}:yelow")
        with pytest.raises(ExpectationError, match="no image") as raised:
            one.check(stage.ctx)
        assert raised.value.where == "demo step set-image", "it is of no playbook"

    @pytest.mark.parametrize("which", [{"image": "docker.io/library/x:1"}, {"image": f"{IMAGE}:blue"}, {"back": True}])
    def test_one_that_may_be_had_passes(self, stage: Stage, steps: tuple[Step, ...], which: dict[str, object]):
        assert steps
        step(SetImage, rollout="rollouts-demo", container="rollouts-demo", **which).check(stage.ctx)


def test_every_step_is_asked_before_the_first_is_performed(stage: Stage):
    done: list[str] = []

    class Refusing(Healthy):
        def check(self, _ctx: object) -> None:
            done.append("check")
            raise CanarylabError("not here")

        def run(self, _ctx: object, _session: Session) -> None:
            done.append("run")

    class Willing(Refusing):
        def check(self, _ctx: object) -> None:
            done.append("check")

    with pytest.raises(CanarylabError, match="not here"):
        perform(stage.ctx, [step(Willing, rollout="rollouts-demo"), step(Refusing, rollout="rollouts-demo")])
    assert done == ["check", "check"]
