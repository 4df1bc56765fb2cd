"""Images that can't be had: told where a manifest or a step names them, not by a pod that never starts."""

from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import context_of

from canarylab.errors import StageError, UsageError
from canarylab.images.image import Image
from canarylab.rollouts.validation.missing_images import mistake_if_missing
from canarylab.stages.kinds.image import ImageOptions, ImageStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

DEMO = "localhost/argoproj/rollouts-demo"
DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  template:
    spec:
      containers:
        - name: app
          image: {DEMO}:bleu
"""


def node(*images, name="node"):
    listed = [{"names": [image]} for image in images]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"images": listed}}


def image_stage(color):
    return ImageStage(f"image-{color}", ImageOptions.model_validate({"path": "x", "image": f"{DEMO}:{color}"}))


@pytest.fixture
def provider():
    return FakeProvider(FakeCluster(node(f"{DEMO}:blue", "localhost/k8s/pause:3.10")))


def asked(image, provider, *stages):
    return mistake_if_missing(context_of(*stages, provider=provider), image)


class TestAbsent:
    def test_one_that_the_node_has_is_there(self, provider):
        assert asked(f"{DEMO}:blue", provider) is None

    def test_one_that_it_has_not_is_reported_with_those_of_the_same_name(self, provider):
        found = asked(f"{DEMO}:bleu", provider)
        assert found.what == f"the cluster has no image {DEMO}:bleu"
        assert found.remedy.startswith(f"did you mean {DEMO}:blue? known: {DEMO}:blue;")

    def test_one_that_a_stage_builds_is_to_be_handed_over(self, provider):
        found = asked(f"{DEMO}:green", provider, image_stage("green"))
        assert "`invoke up --only image-green` builds it and hands it over" in found.remedy

    def test_one_that_was_handed_over_a_moment_ago_is_there(self, provider):
        provider.held["x"] = Image(f"{DEMO}:green", "amd64", {}, "amd64")
        assert asked(f"{DEMO}:green", provider) is None

    @pytest.mark.parametrize(
        "image", ["nginx", "docker.io/library/nginx:1", "localhost:5000/app:1", "ghcr.io/a/b@sha256:0"]
    )
    def test_one_that_a_registry_may_have_cannot_be_known(self, provider, image):
        assert asked(image, provider) is None

    def test_nodes_with_so_many_images_that_they_do_not_tell_all_leave_it_open(self, provider):
        provider.there.put(node(*(f"localhost/x:{number}" for number in range(50)), name="other"))
        assert asked(f"{DEMO}:bleu", provider) is None

    def test_without_nodes_or_a_cluster_nothing_is_known(self):
        assert asked(f"{DEMO}:bleu", FakeProvider(FakeCluster())) is None
        assert asked(f"{DEMO}:bleu", FakeProvider()) is None

    def test_a_node_may_list_images_without_names(self, provider):
        provider.there.put({**node(name="other"), "status": {"images": [{"names": None, "sizeBytes": 1}]}})
        assert asked(f"{DEMO}:bleu", provider) is not None

    def test_a_provider_that_cannot_tell_is_not_swallowed(self, provider):
        def images(_ctx):
            raise UsageError("the playbook names no registry")

        provider.images.ours = images
        with pytest.raises(UsageError):
            asked(f"{DEMO}:bleu", provider)


class TestInManifests:
    @pytest.fixture
    def preflight(self, tmp_path):
        (tmp_path / "app.yaml").write_text(DEPLOYMENT)

        def preflight(provider, *others):
            stage = ManifestsStage("app", ManifestsOptions(path="app.yaml"))
            stage.preflight(context_of(stage, *others, provider=provider, base=tmp_path))

        return preflight

    def test_one_that_the_cluster_has_not_is_refused_with_its_line(self, preflight, provider, tmp_path):
        with pytest.raises(StageError) as raised:
            preflight(provider)
        assert raised.value.where == f"{tmp_path}/app.yaml:9"
        assert "Deployment app: spec.template.spec.containers[0].image: the cluster has no image" in raised.value.what

    def test_one_that_a_stage_builds_passes(self, preflight, provider):
        preflight(provider, image_stage("bleu"))

    def test_without_a_cluster_another_tag_of_what_is_built_is_refused(self, preflight):
        with pytest.raises(StageError, match=f"no stage builds image {DEMO}:bleu") as raised:
            preflight(FakeProvider(), image_stage("blue"))
        assert f"did you mean {DEMO}:blue?" in str(raised.value.remedy)

    def test_without_a_cluster_what_nobody_builds_may_be_brought_by_somebody(self, preflight):
        preflight(FakeProvider())

    def test_one_that_a_registry_has_under_another_name_passes(self, preflight, provider):
        provider.images.reference = lambda image: image.replace("localhost", "registry.example.com/team")
        preflight(provider)
