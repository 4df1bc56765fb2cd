"""What a pack says of the licences in it: collected once from Go's modules and Debian's packages."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab import pins
from canarylab.errors import CommandError
from canarylab.providers.embedded.packs.licences import components
from canarylab.providers.embedded.programs import roots
from canarylab.providers.embedded.programs.built import Built
from canarylab.tools import go

HELM = "build/licences/go/helm.sh/helm/v4@v4.2.4"
DASH = "build/licences/debian/dash_0.5.12-2"


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A toolchain and the sources of a module, as the module cache has them."""
    goroot, module = tmp_path / "goroot", tmp_path / "mod" / "helm"
    for folder, names in {
        goroot: ["LICENSE", "PATENTS", "VERSION"],
        module: ["LICENSE", "NOTICE.txt", "go.mod"],
    }.items():
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"{folder.name} {name}")
            (folder / name).chmod(0o444)
    monkeypatch.setattr(go, "find", lambda runner, _least: go.Go(Path("/go"), runner))
    monkeypatch.setattr(roots, "host_release", lambda: "bookworm")
    return tmp_path


@pytest.fixture
def build(tmp_path):
    (tmp_path / "build").mkdir()
    return Built(tmp_path / "build")


@pytest.fixture
def runner(sources, tmp_path):
    root = tmp_path / "build.licences" / "debian"

    def unpack():
        dash, linked = root / "usr/share/doc/dash", root / "usr/share/doc/libdash"
        dash.mkdir(parents=True)
        (dash / "copyright").write_text("dash's")
        (dash / "README").write_text("not a licence")
        (dash / "changelog.Debian.gz").write_bytes(gzip.compress(b"dash (0.5.12-2) unstable; urgency=low\n"))
        linked.symlink_to("dash")
        return ""

    return FakeRunner(
        {
            "/go list -deps": f"\nhelm.sh/helm/v4\tv4.2.4\t{sources / 'mod' / 'helm'}\n\n",
            "/go env GOROOT": str(sources / "goroot"),
            "/go env GOVERSION": "go1.26.8",
            "mmdebstrap --quiet --variant=extract": unpack,
        }
    )


def test_each_has_the_texts_that_it_came_with(build, runner):
    found = {each.name: each for each in components(context_of(runner=runner), build, [pins.NODE])}
    assert found["helm.sh/helm/v4"].texts == (f"{HELM}/LICENSE", f"{HELM}/NOTICE.txt")
    assert (found["dash"].kind, found["dash"].version, found["dash"].texts) == (
        "Debian package",
        "0.5.12-2",
        (f"{DASH}/copyright",),
    )
    assert found["libdash"].version == "0.5.12-2", "its folder is a link to another package's"
    assert found["Go's runtime and standard library"].version == "1.26.8"
    assert found["Envoy"].licence == "Apache-2.0"
    for each in found.values():
        for text in each.texts:
            assert (build.folder.parent / text).read_text()


def test_they_are_collected_once(build, runner):
    first = components(context_of(runner=runner), build, [])
    assert components(context_of(runner=FakeRunner()), build, []) == first
    assert [path.name for path in build.folder.iterdir()] == ["licences"]


def test_without_a_network_nothing_is_left_half_done(build, runner):
    runner.known["mmdebstrap --quiet --variant=extract"] = 100
    with pytest.raises(CommandError):
        components(context_of(runner=runner), build, [])
    assert list(build.folder.iterdir()) == []
    assert list(build.folder.parent.glob("build?*")) == []
