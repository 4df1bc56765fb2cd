"""The addresses on the internet that charts and install manifests come from, served on the loopback.

What is served is real: the charts and manifests that the embedded provider has built from their modules, under the
versions and with the defaults that they are published with. `CANARYLAB_MIRROR` leads the tool there:

    PYTHONPATH=tests python -m support.chart_repository 8099 &
    CANARYLAB_MIRROR=http://127.0.0.1:8099 invoke up --provider minikube
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from canarylab import pins
from canarylab.paths import REPOSITORY
from canarylab.providers.embedded.programs.built import Built, built
from canarylab.tools.helm import merge_values

CHARTS = "/istio-release.storage.googleapis.com/charts"
ROLLOUTS = "/github.com/argoproj/argo-rollouts/releases/download"
GATEWAY_API = "/github.com/kubernetes-sigs/gateway-api/releases/download"
HUB = "docker.io/istio"
_DEFAULTS = "_internal_defaults_do_not_set"
"""The key below which Istio's charts keep their own values."""

Answer = bytes | int | list[bytes | int]
"""A file, a status code, or several of them for one request after the other, the last one for good."""


class FileServer:
    """Serves files by path until its `with` block ends. `requests` has the paths that were asked for, in order."""

    def __init__(self, files: Mapping[str, Answer], port: int = 0) -> None:
        self.files = dict(files)
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def answer(self, path: str) -> bytes | int:
        answer = self.files.get(path, 404)
        if not isinstance(answer, list):
            return answer
        return answer.pop(0) if len(answer) > 1 else answer[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.headers.append(dict(self.headers))
                answer = server.answer(self.path)
                status, body = (200, answer) if isinstance(answer, bytes) else (answer, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Tests look at `requests`."""

        return Handler


def index(charts: Mapping[tuple[str, str], bytes]) -> bytes:
    """A repository's index of packaged charts, given by name and version."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for (name, version), packaged in charts.items():
        digest = hashlib.sha256(packaged).hexdigest()
        entry = {"apiVersion": "v2", "name": name, "version": version, "appVersion": version, "digest": digest}
        entries.setdefault(name, []).append({**entry, "urls": [f"{name}-{version}.tgz"]})
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries}).encode()


def repository(charts: Mapping[tuple[str, str], bytes]) -> dict[str, bytes]:
    """The files of a repository by path: its index and its charts."""
    packaged = {f"{CHARTS}/{name}-{version}.tgz": content for (name, version), content in charts.items()}
    return {f"{CHARTS}/index.yaml": index(charts), **packaged}


def published(built: Built) -> dict[str, bytes]:
    """What the embedded provider has built, by the path at which the public has it."""
    version = pins.pins().istio.split("-", 1)[0]
    charts = {
        (name, version): _as_published(built.charts / f"{name}-{pins.pins().istio}.tgz", name, version)
        for name in ("base", "istiod", "gateway")
    }
    install = f"{ROLLOUTS}/{pins.pins().rollouts}/install.yaml"
    definitions = f"{GATEWAY_API}/v{pins.pins().gateway_api}/standard-install.yaml"
    return {
        **repository(charts),
        install: _install_manifest(built.rollouts_manifest),
        definitions: _as_yaml(json.loads(built.gateway_api_manifest.read_text())),
    }


def _as_published(packaged: Path, name: str, version: str) -> bytes:
    """The chart with the version of the release, and with its defaults where it names images."""
    result = io.BytesIO()
    with tarfile.open(packaged) as source, tarfile.open(fileobj=result, mode="w") as target:
        for member in source.getmembers():
            file = source.extractfile(member)
            content = file.read() if file else b""
            if member.name == f"{name}/Chart.yaml":
                chart = yaml.safe_load(content)
                content = yaml.safe_dump({**chart, "version": version, "appVersion": version}).encode()
            if member.name == f"{name}/values.yaml" and name == "istiod":
                content = yaml.safe_dump(_istiod_values(yaml.safe_load(content), version)).encode()
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return gzip.compress(result.getvalue(), mtime=0)


def _istiod_values(values: dict[str, Any], version: str) -> dict[str, Any]:
    """The defaults of the release, and what a stock Envoy needs: these are the images that tests run."""
    overlay = yaml.safe_load((REPOSITORY / "charts-values" / "istiod.embedded.yaml").read_text())
    images = {"global": {"hub": HUB, "tag": version}}
    return {**values, _DEFAULTS: merge_values([values[_DEFAULTS], overlay, images])}


def _install_manifest(manifest: Path) -> bytes:
    """As the release has it: YAML, the controller's image with the release's version."""
    objects = json.loads(manifest.read_text())
    for obj in objects:
        if obj["kind"] == "Deployment":
            for container in obj["spec"]["template"]["spec"]["containers"]:
                container["image"] = f"quay.io/argoproj/argo-rollouts:{pins.pins().rollouts}"
    return _as_yaml(objects)


def _as_yaml(objects: list[Any]) -> bytes:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump_all(objects, Dumper=dumper, sort_keys=False).encode()


@contextmanager
def serving(port: int = 0) -> Iterator[FileServer]:
    """The server, with what is built in this user's cache: the embedded provider's programs have to be there."""
    with FileServer(published(built()), port) as server:
        yield server


if __name__ == "__main__":
    with serving(int(sys.argv[1])) as running:
        print(running.url, flush=True)
        threading.Event().wait()
