"""The registry that images are pushed to: its address, whether it is asked in the clear, what it has."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.certificates import certificate, serving
from support.fake_runner import FakeRunner
from support.oci_archives import AMD64, ARM64, archive, elf
from support.runs import context_of

from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import StageError, UsageError
from canarylab.files import extract
from canarylab.images.image import SOURCE_LABEL, Wanted
from canarylab.ownership.foreign import ConflictError
from canarylab.providers.existing import ExistingProvider, registry, registry_images, requirements
from canarylab.providers.existing.registry import Address, Registry, is_plain, is_private
from canarylab.tools.runner import Result

REFERENCE = "127.0.0.1:5000/team/app:x"

# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "reference"),
    [
        ("registry.example.com", "registry.example.com/argoproj/app:blue"),
        ("registry.example.com/team", "registry.example.com/team/argoproj/app:blue"),
        ("registry.example.com/a/b/", "registry.example.com/a/b/argoproj/app:blue"),
        ("10.0.0.1:5000/team", "10.0.0.1:5000/team/argoproj/app:blue"),
        ("http://10.0.0.1:5000/team", "10.0.0.1:5000/team/argoproj/app:blue"),
        ("https://registry.example.com/team", "registry.example.com/team/argoproj/app:blue"),
    ],
)
def test_local_images_are_called_after_the_registry_and_back(written, reference):
    address = Address.parse(written)
    assert address.reference("localhost/argoproj/app:blue") == reference
    assert address.local(reference) == "localhost/argoproj/app:blue"


def test_an_image_of_somewhere_else_keeps_its_name():
    assert Address.parse("registry.example.com").reference("docker.io/library/x:1") == "docker.io/library/x:1"


@pytest.mark.parametrize("written", ["", "https://", "ftp://registry.example.com", "a registry"])
def test_what_is_no_registry_is_refused(written):
    with pytest.raises(UsageError) as caught:
        Address.parse(written)
    assert str(caught.value.where).endswith("cluster, registry")
    assert repr(written) in caught.value.what


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1:5000", True),
        ("localhost:5000", True),
        ("10.0.0.1", True),
        ("192.168.3.4:443", True),
        ("[::1]:5000", True),
        ("172.32.0.1:5000", False),
        ("8.8.8.8", False),
        ("no-such-host.invalid:5000", False),
    ],
)
def test_what_is_near_is_reported_by_its_addresses(host, private):
    assert is_private(host) == private


# -- in the clear -----------------------------------------------------------------------------------------------------


@pytest.fixture
def serve():
    """A server that answers every path with one status; yields its host and port."""
    servers = []

    def start(status, tls=None):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        if tls:
            servers[-1].socket = tls.wrap_socket(servers[-1].socket, server_side=True)
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 401])
def test_a_registry_near_by_that_speaks_no_tls_is_asked_in_the_clear(serve, status):
    assert is_plain(Address.parse(serve(status)))


@pytest.fixture
def serve_tls(serve, tmp_path, monkeypatch):
    """The same over TLS, with a certificate that this system trusts if `trusted`."""

    def start(*, trusted):
        pair = certificate(tmp_path, "IP:127.0.0.1", stem="registry")
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        return serve(200, serving(*pair))

    return start


def test_a_registry_near_by_that_speaks_tls_is_asked_over_it(serve_tls):
    assert not is_plain(Address.parse(serve_tls(trusted=True)))


def test_a_registry_near_by_whose_certificate_is_not_trusted_is_not_asked_in_the_clear(serve_tls):
    with pytest.raises(StageError, match="its certificate isn't trusted: self"):
        is_plain(Address.parse(serve_tls(trusted=False)))


def test_a_registry_near_by_is_not_asked_through_a_proxy(serve, monkeypatch):
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert is_plain(Address.parse(serve(200)))


def test_something_near_by_that_is_no_registry_is_refused(serve):
    with pytest.raises(StageError, match="answered /v2/ with 404"):
        is_plain(Address.parse(serve(404)))


def test_a_registry_near_by_that_is_not_up_is_reported():
    with pytest.raises(StageError) as caught:
        is_plain(Address.parse("127.0.0.1:9"))
    assert "refused" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("written", ["registry.invalid/team", "8.8.8.8/team", "https://127.0.0.1:9/team"])
def test_others_are_asked_over_tls_and_nobody_asks_them_otherwise(written):
    assert not is_plain(Address.parse(written))


def test_a_playbook_may_say_that_it_is_asked_in_the_clear():
    assert is_plain(Address.parse("http://registry.invalid/team"))


# -- images -----------------------------------------------------------------------------------------------------------


class Skopeo(FakeRunner):
    """skopeo, with what it says by command; a pull unpacks an archive."""

    def __init__(self, said=None, image=None):
        super().__init__()
        self.said = said or {}
        self.image = image

    def run(self, argv, **_given):
        words = [str(word) for word in argv]
        self.commands.append(" ".join(words))
        code, error = self.said.get(words[1], (0, ""))
        if words[1] == "copy" and words[-1].startswith("oci:"):
            extract(self.image, Path(words[-1].removeprefix("oci:")))
        return Result('{"the": "manifest"}' if words[1] == "inspect" else "", error, code, 0.0)


def made(folder, *, labels=None, index=False):
    return archive(folder / "image.tar", {"app": elf(AMD64)}, entrypoint=["/app"], labels=labels or {}, index=index)


def at(skopeo):
    return Registry(Address.parse("http://127.0.0.1:5000/team"), skopeo)


@pytest.mark.parametrize("index", [False, True])
def test_an_image_of_ours_is_read_from_what_the_registry_has(tmp_path, index):
    skopeo = Skopeo(image=made(tmp_path, labels={SOURCE_LABEL: "1"}, index=index))
    [image] = at(skopeo).images(REFERENCE, SOURCE_LABEL)
    assert (image.reference, image.architecture, image.program_architecture) == (REFERENCE, "amd64", "amd64")
    assert image.labels == {SOURCE_LABEL: "1"}
    assert all("tls-verify=false" in line for line in skopeo.commands)


def test_what_was_read_is_not_pulled_again(tmp_path):
    skopeo = Skopeo(image=made(tmp_path, labels={SOURCE_LABEL: "1"}))
    there = at(skopeo)
    assert there.images(REFERENCE, SOURCE_LABEL) == there.images(REFERENCE, SOURCE_LABEL)
    assert sum("copy" in line for line in skopeo.commands) == 1


def test_somebody_elses_image_of_that_name_is_a_conflict(tmp_path):
    with pytest.raises(ConflictError) as caught:
        at(Skopeo(image=made(tmp_path))).images(REFERENCE, SOURCE_LABEL)
    assert SOURCE_LABEL in str(caught.value.why)


@pytest.mark.parametrize(
    "error",
    [
        "Error reading manifest blue in 127.0.0.1:5000/x: manifest unknown: manifest unknown",
        "reading manifest: name unknown: repository name not known to registry",
        "unknown: repository team/app not found",
    ],
)
def test_an_image_that_is_not_there_is_none(error):
    assert at(Skopeo({"inspect": (1, error)})).images(REFERENCE, SOURCE_LABEL) == ()


@pytest.mark.parametrize("error", ["unauthorized: authentication required", "connection refused", ""])
def test_a_registry_that_does_not_say_is_reported_with_what_to_do(error):
    with pytest.raises(StageError, match=r"skopeo login 127\.0\.0\.1:5000"):
        at(Skopeo({"inspect": (1, error)})).images(REFERENCE, SOURCE_LABEL)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ((0, ""), None),
        ((1, "manifest unknown"), None),
        ((1, "StatusCode: 405, UNSUPPORTED"), "the registry doesn't allow deletion"),
        ((1, "denied: you may not"), "the registry refused: denied: you may not"),
    ],
)
def test_deletion_says_why_an_image_stays(outcome, reason):
    assert at(Skopeo({"delete": outcome})).delete(REFERENCE) == reason


# -- several architectures --------------------------------------------------------------------------------------------


def test_archives_of_two_architectures_become_one_image(tmp_path):
    both = {
        "amd64": archive(tmp_path / "a.tar", {"app": elf(AMD64)}, entrypoint=["/app"], labels={SOURCE_LABEL: "1"}),
        "arm64": archive(
            tmp_path / "b.tar",
            {"app": elf(ARM64)},
            architecture="arm64",
            entrypoint=["/app"],
            labels={SOURCE_LABEL: "1"},
        ),
    }
    layout = tmp_path / "layout"
    layout.mkdir()
    registry_images.write_index(both, layout)
    found = registry.read_layout(layout, REFERENCE, SOURCE_LABEL)
    assert [(image.architecture, image.program_architecture) for image in found] == [
        ("amd64", "amd64"),
        ("arm64", "arm64"),
    ]
    [top] = json.loads((layout / "index.json").read_text())["manifests"]
    blob = (layout / "blobs" / top["digest"].replace(":", "/")).read_bytes()
    assert len(blob) == top["size"]
    platforms = [entry["platform"]["architecture"] for entry in json.loads(blob)["manifests"]]
    assert platforms == ["amd64", "arm64"]


@pytest.mark.parametrize(("architectures", "source"), [(("amd64",), "oci-archive:"), (("amd64", "arm64"), "oci:")])
def test_what_is_pushed_is_for_every_architecture_of_the_cluster(tmp_path, monkeypatch, architectures, source):
    built = []

    def build(_ctx, wanted, architecture):
        built.append((wanted.image, architecture))
        machine = {"amd64": AMD64, "arm64": ARM64}[architecture]
        file = tmp_path / f"{architecture}.tar"
        return archive(
            file, {"app": elf(machine)}, architecture=architecture, entrypoint=["/app"], labels={SOURCE_LABEL: "1"}
        )

    monkeypatch.setattr(registry_images, "build", build)
    monkeypatch.setattr(requirements, "architectures", lambda _cluster: architectures)
    skopeo = Skopeo(image=made(tmp_path, labels={SOURCE_LABEL: "1"}))
    spec = ClusterSpec(profile="unit-test", context="mine", registry="http://127.0.0.1:5000/team")
    ctx = context_of(provider=ExistingProvider(spec), runner=skopeo)
    monkeypatch.setattr(ctx.provider.access, "_client", object())
    ctx.provider.images.deliver(ctx, Wanted(tmp_path, REFERENCE, {}))
    assert built == [("localhost/app:x", architecture) for architecture in architectures], "archives are shared"
    pushed = next(line for line in skopeo.commands if f"docker://{REFERENCE}" in line and "copy" in line)
    assert "copy --all" in pushed
    assert f" {source}" in pushed
