from __future__ import annotations

import pytest
from support.runs import context_of

from canarylab.contract.playbook import ClusterSpec
from canarylab.providers.embedded import EmbeddedProvider, machine_images
from canarylab.tools.runner import Result

DIGEST = "sha256:" + "a" * 64
LISTED = f"""\
REF  TYPE  DIGEST  SIZE  PLATFORMS  LABELS
localhost/argoproj/rollouts-demo:blue    application/oci {DIGEST} 3.1 MiB linux/amd64 -
{DIGEST}                                 application/oci {DIGEST} 3.1 MiB linux/amd64 -
broken                                   -
"""


class FakeMachine:
    """A machine that knows what ctr prints, and has a folder."""

    def __init__(self, folder, *, up=True, fails=False):
        self.folder, self._up, self._fails = folder, up, fails
        self.commands: list[str] = []

    def is_up(self):
        return self._up

    def path(self, inside):
        return self.folder / inside

    def run(self, argv, **_):
        self.commands.append(" ".join(argv))
        if self._fails:
            raise OSError
        if "list" in argv:
            return Result(
                LISTED if argv[-1] in ("name==known", "name~=^localhost/") else "REF TYPE DIGEST\n", "", 0, 0.0
            )
        return Result("", "", 0, 0.0)


def of(machine, monkeypatch):
    """The provider's images, and a run on that machine."""
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    monkeypatch.setattr(provider, "machine", lambda _ctx: machine)
    return provider.images, context_of(provider=provider)


def test_each_line_of_ctr_has_a_reference_and_a_digest():
    assert machine_images.parse_list(LISTED) == [("localhost/argoproj/rollouts-demo:blue", DIGEST), (DIGEST, DIGEST)]


@pytest.mark.parametrize("output", ["", "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"])
def test_an_empty_store_has_no_images(output):
    assert machine_images.parse_list(output) == []


def test_an_image_that_was_deleted_meanwhile_is_left_out(tmp_path, monkeypatch):
    images, ctx = of(FakeMachine(tmp_path), monkeypatch)
    assert images.ours(ctx) == []


def test_where_no_machine_runs_there_are_no_images_and_nothing_is_asked(tmp_path, monkeypatch):
    machine = FakeMachine(tmp_path, up=False)
    images, ctx = of(machine, monkeypatch)
    assert images.ours(ctx) == []
    assert images.remove(ctx, "known") == "absent"
    assert machine.commands == []


def test_removing_says_whether_there_was_such_an_image(tmp_path, monkeypatch):
    machine = FakeMachine(tmp_path)
    images, ctx = of(machine, monkeypatch)
    assert images.remove(ctx, "known") == "removed"
    assert machine.commands[-1] == "ctr --namespace k8s.io image remove known"
    assert images.remove(ctx, "unknown") == "absent"


@pytest.mark.parametrize("fails", [False, True])
def test_an_archive_passes_through_the_machines_folder_and_leaves_nothing_there(tmp_path, fails):
    archive = tmp_path / "image.tar"
    archive.write_text("image")
    machine = FakeMachine(tmp_path / "machine", fails=fails)
    machine.path("var/tmp").mkdir(parents=True)
    try:
        machine_images.load(machine, archive)
    except OSError:
        assert fails
    assert machine.commands == ["ctr --namespace k8s.io image import /var/tmp/image.tar"]
    assert list(machine.path("var/tmp").iterdir()) == []
    assert archive.read_text() == "image"
