"""Playbooks and states that are wrong: each ends with the cause and the remedy, early, and `demo --reset` mends it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tool import REPOSITORY, Ended, Tool

NAME = "wrong-states"
DEMO = "localhost/argoproj/rollouts-demo"
PLAYBOOK = f"""\
name: {NAME}
cluster: {{profile: argo-istio-canary}}
uses: [istio, tunnel, argo-rollouts, images]
stages:
  image-unready-yellow:
    kind: image
    path: {REPOSITORY}/images/rollouts-demo
    image: {DEMO}:unready-yellow
    build-args: {{COLOR: unready-yellow}}
  {NAME}-namespace:
    {{kind: namespace, namespace: {NAME}, labels: {{istio-injection: enabled}}}}
  {NAME}:
    kind: manifests
    path: app.yaml
    namespace: {NAME}
    ignore-differences:
      - {{kind: Rollout, fields: ["spec.template.spec.containers[*].image"]}}
      - {{kind: VirtualService, fields: ["spec.http[*].route[*].weight"]}}
      - {{kind: Service, fields: [spec.selector]}}
    needs: [istiod, argo-rollouts, {NAME}-namespace, image-blue]
every-step: {{rollout: app, namespace: {NAME}}}
demo:
  - healthy:
  - expect-rollout: {{status: Healthy, pods: 2/2}}
  - set-image: {{container: app, image: {DEMO}:yellow}}
  - expect-rollout: {{status: Paused, step: 1/2, timeout: 20s}}
"""
MANIFEST = f"""\
apiVersion: v1
kind: Service
metadata: {{name: app-canary}}
spec: {{selector: {{app: app}}, ports: [{{name: http, port: 80, targetPort: http}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: app-stable}}
spec: {{selector: {{app: app}}, ports: [{{name: http, port: 80, targetPort: http}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [app-stable]
  http:
    - name: primary
      route:
        - {{destination: {{host: app-stable}}, weight: 100}}
        - {{destination: {{host: app-canary}}, weight: 0}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: app}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: app}}}}
  strategy:
    canary:
      canaryService: app-canary
      stableService: app-stable
      trafficRouting: {{istio: {{virtualService: {{name: app}}}}}}
      steps:
        - setWeight: 5
        - pause: {{}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: app
          image: {DEMO}:blue
          ports: [{{name: http, containerPort: 8080}}]
          readinessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 1}}
          resources: {{requests: {{memory: 32Mi, cpu: 5m}}}}
"""


@dataclass(frozen=True)
class Wrong:
    """The playbook in a folder of its own, from which tests make one that has a mistake."""

    tool: Tool
    folder: Path

    def run(self, *words: str, playbook: tuple[str, str] = ("", ""), manifest: tuple[str, str] = ("", "")) -> Ended:
        """A command with that playbook, after one replacement in it or in its manifest."""
        assert playbook[0] in PLAYBOOK
        assert manifest[0] in MANIFEST
        (self.folder / "wrong.yaml").write_text(PLAYBOOK.replace(*playbook) if playbook[0] else PLAYBOOK)
        (self.folder / "app.yaml").write_text(MANIFEST.replace(*manifest) if manifest[0] else MANIFEST)
        return self.tool.run(*words, "--playbook", str(self.folder / "wrong.yaml"), timeout=600)

    def refusal(self, *words: str, within: float, **changes: tuple[str, str]) -> str:
        """What is said of it, in so many seconds."""
        ended = self.run(*words, **changes)
        assert ended.code == 1, ended.explain()
        if ended.events and ended.events[-1]["event"] == "run-finished":
            assert ended.summary["seconds"] < within
        told = [event["message"] for event in ended.of("failure")]
        told += [event["reason"] for event in ended.of("stage-finished") if event["state"] == "failed"]
        assert told, ended.explain()
        return str(told[0])

    def kubectl(self, *words: str) -> str:
        return self.tool.kubectl("--namespace", NAME, *words)

    def plugin(self, *words: str) -> None:
        argv = [self.tool.program("kubectl-argo-rollouts"), *words, "--namespace", NAME, "--context", self.tool.profile]
        subprocess.run(argv, env=self.tool.env, check=True, capture_output=True, timeout=60)

    def reset(self) -> None:
        """Back at rest on blue, soon."""
        ended = self.run("demo", "--reset")
        assert ended.code == 0, ended.explain()
        assert ended.summary["seconds"] < 20
        wanted = "jsonpath={.status.phase} {.spec.template.spec.containers[0].image}"
        phase = self.kubectl("get", "rollout", "app", "-o", wanted)
        assert phase == f"Healthy {DEMO}:blue"
        again = self.run("demo", "--reset")
        assert again.summary["seconds"] < 5, "there was nothing left to do"


@pytest.fixture(scope="module")
def wrong(first_up: Ended, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wrong]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("wrong")
    made = Wrong(tool, folder)
    up = made.run("up")
    assert up.code == 0, up.explain()
    yield made
    tool.kubectl("delete", "namespace", NAME, "--wait=true")
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (("setWeight: 5", "setWeight: 101"), "101 isn't a weight"),
        (("canaryService: app-canary", "canaryService: app-canry"), "did you mean app-canary?"),
        ((f"{DEMO}:blue", f"{DEMO}:bleu"), f"did you mean {DEMO}:blue?"),
    ],
)
def test_a_mistake_in_a_manifest_is_reported_with_its_line_before_anything_is_applied(
    wrong: Wrong, manifest: tuple[str, str], words: str
) -> None:
    said = wrong.refusal("up", manifest=manifest, within=5)
    lines = (wrong.folder / "app.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if manifest[1] in text)
    assert said.startswith(f"{wrong.folder}/app.yaml:{line}: Rollout app: spec.")
    assert words in said


def test_what_only_argo_finds_wrong_ends_up_in_argos_words(wrong: Wrong) -> None:
    said = wrong.refusal("up", manifest=("containerPort: 8080", "containerPort: 99999"), within=30)
    assert "Argo refuses Rollout wrong-states/app: spec.template.spec.containers[0].ports[0].containerPort" in said
    assert wrong.run("up").code == 0


@pytest.mark.parametrize(
    ("playbook", "words"),
    [
        (("rollout: app", "rollout: ap"), "did you mean wrong-states/app?"),
        (("rollout: app, namespace: wrong-states", "rollout: app"), "did you mean `namespace: wrong-states`?"),
        ((f"image: {DEMO}:yellow", f"image: {DEMO}:yelow"), f"did you mean {DEMO}:yellow?"),
    ],
)
def test_a_step_that_cannot_be_is_reported_with_its_line_before_the_first_is_run(
    wrong: Wrong, playbook: tuple[str, str], words: str
) -> None:
    said = wrong.refusal("demo", playbook=playbook, within=5)
    assert said.startswith(f"{wrong.folder}/wrong.yaml:")
    assert words in said


def test_an_image_that_no_registry_gives_is_not_waited_for(wrong: Wrong) -> None:
    said = wrong.refusal("demo", playbook=(f"image: {DEMO}:yellow", "image: registry.invalid/nope:1"), within=19)
    assert "ErrImagePull" in said or "ImagePullBackOff" in said
    assert "registry.invalid/nope:1" in said
    assert "demo --reset" in said
    wrong.reset()


def test_a_canary_that_never_gets_ready_is_reported_with_its_probe(wrong: Wrong) -> None:
    said = wrong.refusal("demo", playbook=(f"image: {DEMO}:yellow", f"image: {DEMO}:unready-yellow"), within=40)
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503; it isn't ready for" in said
    assert "after 600 s without progress (progressDeadlineSeconds)" in said
    wrong.reset()


def test_a_rollout_that_somebody_paused_is_reported_with_the_command_that_resumes_it(wrong: Wrong) -> None:
    wrong.plugin("pause", "app")
    said = wrong.refusal("demo", within=5)
    assert "somebody paused it with kubectl-argo-rollouts at " in said
    assert f'--namespace {NAME} patch rollout app --type merge --patch \'{{"spec":{{"paused":false}}}}\'' in said
    wrong.reset()


def test_an_aborted_update_is_reported_by_up_at_once_and_reset(wrong: Wrong) -> None:
    performed = wrong.run("demo")
    assert performed.code == 0, performed.explain()
    wrong.plugin("abort", "app")
    wrong.kubectl("wait", "rollout/app", "--for=jsonpath={.status.phase}=Degraded", "--timeout=30s")
    said = wrong.refusal("up", within=30)
    assert "is in the middle of an update that was aborted" in said
    assert "demo --reset" in said
    wrong.reset()


def test_an_update_that_was_paused_in_its_middle_is_reset(wrong: Wrong) -> None:
    performed = wrong.run("demo")
    assert performed.code == 0, performed.explain()
    wrong.plugin("pause", "app")
    wrong.reset()


def test_a_missed_injection_is_reported_by_the_demonstration_and_by_up(wrong: Wrong) -> None:
    wrong.tool.kubectl("label", "namespace", NAME, "istio-injection-")
    wrong.kubectl("delete", "pod", "--all", "--wait=true")
    wrong.kubectl("wait", "rollout/app", "--for=jsonpath={.status.phase}=Healthy", "--timeout=60s")
    said = wrong.refusal("demo", within=60)
    assert f"namespace {NAME} doesn't have the label istio-injection=enabled" in said
    said = wrong.refusal("up", within=60)
    assert "has no sidecar, and stage wrong-states-namespace asks for one" in said
    assert "kubectl argo rollouts restart app" in said
    wrong.plugin("restart", "app")
    assert wrong.run("up").code == 0
    wrong.reset()
