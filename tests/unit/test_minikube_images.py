from __future__ import annotations

from contextlib import contextmanager

import pytest
from support.minikube_world import PROFILE, World
from support.oci_archives import AMD64, ARM64, archive, elf

from canarylab.errors import StageError
from canarylab.images.image import SOURCE_LABEL, Wanted
from canarylab.providers.minikube import node_images
from canarylab.providers.minikube.node_images import NodeImages
from canarylab.stages.kinds.image import ImageOptions, ImageStage
from canarylab.tools.runner import Result

REFERENCE = "localhost/argoproj/rollouts-demo:blue"


class ImageWorld(World):
    """A minikube whose node has images."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.store = self.machines.store

    def hold(self, reference, name, **made):
        self.store.held[reference] = self.made(name, **made)

    def made(self, name, architecture="amd64", machine=AMD64, labels=None):
        file = self.folder / f"{name}.tar"
        labels = {SOURCE_LABEL: name} if labels is None else labels
        return archive(file, {"app": elf(machine)}, architecture=architecture, entrypoint=["/app"], labels=labels)


@pytest.fixture
def world(tmp_path):
    world = ImageWorld(tmp_path)
    world.have("running")
    return world


@pytest.fixture
def ctx(world):
    ctx = world.context()
    ctx.paths.create()
    return ctx


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """Nothing is compiled: the folder to build in is there."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Containerfile").write_text("FROM scratch")

    @contextmanager
    def prepared(_ctx, wanted, _architecture):
        yield wanted.folder

    monkeypatch.setattr(node_images, "prepared", prepared)
    monkeypatch.setattr(NodeImages, "architectures", lambda *_: ("amd64",))
    return Wanted(folder, REFERENCE, {"COLOR": "blue"})


# -- deliver ----------------------------------------------------------------------------------------------------------


def test_an_image_is_built_in_the_cluster_and_then_read(world, ctx, wanted):
    world.store.builds = world.made("new", labels={SOURCE_LABEL: wanted.digest})
    NodeImages().deliver(ctx, wanted)
    [build] = world.called("image build")
    assert f"--tag={REFERENCE}" in build
    assert "--build-opt=opt=build-arg:COLOR=blue" in build
    assert "--build-opt=opt=build-arg:TARGETARCH=amd64" in build
    assert world.called("image save")
    assert [image.labels[SOURCE_LABEL] for image in NodeImages().ours(ctx)] == [wanted.digest]


def test_a_build_that_made_nothing_is_an_error_with_what_it_printed(world, ctx, wanted):
    world.faults("image-build-fails")
    with pytest.raises(StageError) as caught:
        NodeImages().deliver(ctx, wanted)
    assert caught.value.what.startswith(REFERENCE)
    assert "failed to solve" in str(caught.value.why), "as minikube printed it"


def test_an_old_image_of_the_same_name_is_removed_and_the_new_one_built_again(world, ctx, wanted):
    world.hold(REFERENCE, "old")
    world.store.builds = world.made("new", labels={SOURCE_LABEL: wanted.digest})
    world.faults("image-build-keeps-old")
    NodeImages().deliver(ctx, wanted)
    assert world.store.held[REFERENCE] == world.store.builds
    assert len(world.called("image build")) == 2


def test_an_image_that_was_built_from_something_else_is_not_believed(world, ctx, wanted):
    world.store.builds = world.made("new", labels={SOURCE_LABEL: "something else"})
    with pytest.raises(StageError, match="has another image under that name"):
        NodeImages().deliver(ctx, wanted)


def test_the_same_image_built_again_is_fine(world, ctx, wanted):
    world.hold(REFERENCE, "same", labels={SOURCE_LABEL: wanted.digest})
    world.store.builds = world.store.held[REFERENCE]
    NodeImages().deliver(ctx, wanted)
    assert len(world.called("image build")) == 1


def test_a_save_that_wrote_nothing_is_an_error(world, ctx):
    world.hold(REFERENCE, "one")
    world.faults("image-save-fails")
    with pytest.raises(StageError, match="minikube saved nothing"):
        NodeImages().ours(ctx)


def test_an_image_of_another_architecture_is_refused(world, ctx, wanted):
    world.store.builds = world.made("new", "arm64", ARM64, {SOURCE_LABEL: wanted.digest})
    with pytest.raises(StageError, match="for the wrong architecture"):
        NodeImages().deliver(ctx, wanted)


def test_a_program_that_is_not_what_the_image_says_is_refused(world, ctx, wanted, monkeypatch):
    world.store.builds = world.made("new", "arm64", AMD64, {SOURCE_LABEL: wanted.digest})
    monkeypatch.setattr(NodeImages, "architectures", lambda *_: ("arm64",))
    with pytest.raises(StageError, match="its program is amd64"):
        NodeImages().deliver(ctx, wanted)


# -- list, remove -----------------------------------------------------------------------------------------------------


def test_an_image_is_saved_once_and_then_remembered_by_its_id(world, ctx):
    world.hold(REFERENCE, "one")
    first, second = NodeImages().ours(ctx), NodeImages().ours(ctx)
    assert first == second
    assert len(world.called("image save")) == 1
    world.hold(REFERENCE, "two", labels={SOURCE_LABEL: "newer"})
    assert [image.labels[SOURCE_LABEL] for image in NodeImages().ours(ctx)] == ["newer"]


def test_two_names_of_one_image_are_two_images(world, ctx):
    world.hold(REFERENCE, "one")
    world.hold("localhost/other:blue", "one")
    assert [image.reference for image in NodeImages().ours(ctx)] == [REFERENCE, "localhost/other:blue"]


def test_images_of_others_are_not_listed_nor_unpacked(world, ctx):
    world.hold("registry.k8s.io/pause:3.10", "pause")
    world.hold("localhost/somebodys:own", "own", labels={})
    assert NodeImages().ours(ctx) == []
    assert not [line for line in world.called("image save") if "pause" in line]


def test_of_one_image_that_is_asked_for_no_other_is_saved_out_of_the_machine(world, ctx):
    world.hold(REFERENCE, "one")
    world.hold("localhost/somebodys/database:1", "large", labels={})
    world.hold("localhost/other:blue", "other")
    assert [image.reference for image in NodeImages().named(ctx, REFERENCE)] == [REFERENCE]
    assert NodeImages().named(ctx, "localhost/none:1") == []
    assert NodeImages().named(ctx, "localhost/somebodys/database:1") == [], "it isn't ours"
    saved = [line.split()[5] for line in world.called("image save")]
    assert saved == [REFERENCE, "localhost/somebodys/database:1"]


def test_a_first_up_saves_nothing_of_others(world, ctx, tmp_path):
    """Both image stages look at once."""
    world.hold("localhost/somebodys/database:1", "large", labels={})
    for color in ("blue", "yellow"):
        options = {"path": str(tmp_path), "image": f"localhost/argoproj/rollouts-demo:{color}"}
        stage = ImageStage(f"image-{color}", ImageOptions.model_validate(options))
        assert stage.observe(ctx).images == ()
        assert stage.removals(ctx) == []
    assert world.called("image save") == []


def once(world, answer, then=lambda: None):
    """What `image save` does the first time: minikube ends with 0 whatever happens."""
    todo = [answer]

    def image():
        if " image save " in world.commands[-1] and todo:
            then()
            return todo.pop()
        return None

    world.hooks["image"] = image


NOTHING_SAVED = Result("", "", 0, 0.0)


def test_an_image_that_went_away_meanwhile_is_no_error(world, ctx):
    world.hold(REFERENCE, "one")
    world.hold("localhost/other:blue", "other")
    once(world, NOTHING_SAVED, lambda: world.store.held.pop("localhost/other:blue"))
    world.store.held = dict(sorted(world.store.held.items(), reverse=True))
    assert [image.reference for image in NodeImages().ours(ctx)] == [REFERENCE]


def test_an_image_that_was_replaced_meanwhile_is_read_as_it_is_by_now(world, ctx):
    world.hold(REFERENCE, "old")
    once(world, NOTHING_SAVED, lambda: world.hold(REFERENCE, "new"))
    assert [image.labels[SOURCE_LABEL] for image in NodeImages().named(ctx, REFERENCE)] == ["new"]


def test_a_save_that_failed_once_is_tried_again(world, ctx):
    world.hold(REFERENCE, "one")
    once(world, Result("", "X Exiting due to GUEST_IMAGE_SAVE: Failed to save image", 80, 0.0))
    assert [image.reference for image in NodeImages().named(ctx, REFERENCE)] == [REFERENCE]


def test_a_build_whose_image_is_removed_at_once_is_not_believed(world, ctx, wanted):
    world.store.builds = world.made("new", labels={SOURCE_LABEL: wanted.digest})
    once(world, NOTHING_SAVED, world.store.held.clear)
    with pytest.raises(StageError, match="wasn't built"):
        NodeImages().deliver(ctx, wanted)


def test_without_a_profile_there_are_no_images(world, ctx):
    world.lose()
    assert NodeImages().ours(ctx) == []
    assert NodeImages().remove(ctx, REFERENCE) == "absent"


def test_an_image_is_removed_and_looked_for_again(world, ctx):
    world.hold(REFERENCE, "one")
    assert NodeImages().remove(ctx, REFERENCE) == "removed"
    assert NodeImages().remove(ctx, REFERENCE) == "absent"


def test_an_image_that_stays_although_minikube_said_nothing_is_an_error(world, ctx):
    world.hold(REFERENCE, "one")
    world.store.remove = lambda _name: None
    with pytest.raises(StageError, match="can't be removed"):
        NodeImages().remove(ctx, REFERENCE)


def test_the_profile_is_named_in_every_command(world, ctx):
    NodeImages().ours(ctx)
    assert all(f"-p {PROFILE}" in line for line in world.called("image"))
