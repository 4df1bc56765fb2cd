"""The registry that the playbook names: where images go by it, how it is asked, and what it has.

It is asked over HTTPS with its certificate checked. Over plain HTTP only where the playbook says `http://`, or where it
has a loopback or private address, doesn't speak TLS, and answers as a registry over HTTP: what is pushed in the clear
can be changed on its way, and the credentials read.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2 as httpx

from canarylab.errors import StageError, UsageError
from canarylab.images.image import Image
from canarylab.images.oci import read_image
from canarylab.ownership.foreign import ConflictError
from canarylab.tools.runner import Result, Runner, tail
from canarylab.tools.skopeo import Skopeo

LOCAL = "localhost/"
"""How playbooks begin the references of images that are built here."""

_SECONDS = 10.0
_ABSENT = re.compile(r"(manifest|name) unknown|(repository|artifact) \S+ not found", re.IGNORECASE)
"""How registries say that they have no such image."""
_OK, _UNAUTHORIZED = 200, 401


@dataclass(frozen=True)
class Address:
    """A registry as the playbook writes it: [http:// or https://] host [:port] [/path]."""

    scheme: str
    host: str
    prefix: str
    """What the references of its images begin with."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises UsageError for what can't be one."""
        scheme, separator, rest = text.strip().rpartition("://")
        host = rest.partition("/")[0]
        if (separator and scheme not in ("http", "https")) or not host or " " in rest:
            raise UsageError(
                f"{text!r} isn't a registry",
                where="the playbook's cluster, registry",
                remedy="write host, port and path: registry.example.com/team, or 10.0.0.1:5000/team",
            )
        return cls(scheme, host, f"{rest.rstrip('/')}/")

    def reference(self, local: str) -> str:
        """What an image that is built here as `localhost/...` is called there; others keep their name."""
        return self.prefix + local.removeprefix(LOCAL) if local.startswith(LOCAL) else local

    def local(self, reference: str) -> str:
        """What an image of that registry is called here: the inverse of `reference`."""
        return LOCAL + reference.removeprefix(self.prefix)


class Registry:
    """Reads and writes images. What was read is remembered by its digest for as long as this object lives."""

    def __init__(self, address: Address, runner: Runner) -> None:
        self.address = address
        self._runner = runner
        self._known: dict[str, tuple[Image, ...]] = {}

    @functools.cached_property
    def skopeo(self) -> Skopeo:
        """What copies to it and from it, by the way that it speaks."""
        return Skopeo(self._runner, plain=is_plain(self.address))

    def images(self, reference: str, label: str) -> tuple[Image, ...]:
        """What is there by that name, one for each architecture, read from the image itself.

        Raises ConflictError for one that doesn't carry the label: it is somebody else's, and isn't overwritten.
        """
        manifest = self.skopeo.inspect(reference)
        if manifest.code:
            if _is_absent(manifest):
                return ()
            host = self.address.host
            raise StageError(
                f"image {reference} can't be looked up",
                where=f"registry {host}",
                why=tail(manifest.stderr, 1) or f"skopeo ended with {manifest.code}",
                remedy=f"skopeo login {host}; or check that it is up and that `cluster.registry` is right "
                "(http:// means plain HTTP)",
            )
        if manifest.stdout not in self._known:
            with tempfile.TemporaryDirectory() as folder:
                self.skopeo.pull(reference, Path(folder))
                self._known[manifest.stdout] = read_layout(Path(folder), reference, label)
        if not self._known[manifest.stdout]:
            raise ConflictError(
                f"image {reference} is there already, and this tool didn't build it",
                where=f"registry {self.address.host}",
                why=f"it carries no label {label}; it is left as it is",
                remedy="give `cluster.registry` a path of your own, such as registry.example.com/NAME",
            )
        return self._known[manifest.stdout]

    def delete(self, reference: str) -> str | None:
        """None once it is gone; else, in words, why the registry keeps it."""
        done = self.skopeo.delete(reference)
        if done.code == 0 or _is_absent(done):
            return None
        if "UNSUPPORTED" in done.stderr or "405" in done.stderr:
            return "the registry doesn't allow deletion"
        return f"the registry refused: {tail(done.stderr, 1)}"


def _is_absent(result: Result) -> bool:
    return _ABSENT.search(result.stderr) is not None


def read_layout(folder: Path, reference: str, label: str) -> tuple[Image, ...]:
    """The images of an OCI layout that carry the label."""

    def open_blob(digest: str) -> IO[bytes]:
        return (folder / "blobs" / digest.replace(":", "/")).open("rb")

    def manifests(entry: dict[str, Any]) -> list[str]:
        with open_blob(entry["digest"]) as file:
            content = json.load(file)
        inner = content.get("manifests")
        return [entry["digest"]] if inner is None else [found for each in inner for found in manifests(each)]

    index = json.loads((folder / "index.json").read_text())
    digests = [digest for entry in index["manifests"] for digest in manifests(entry)]
    found = (read_image(open_blob, digest, reference, label) for digest in digests)
    return tuple(image for image in found if image)


@functools.cache
def is_plain(address: Address) -> bool:
    """Whether to speak HTTP without TLS to it. Raises StageError where a local or private one answers neither way."""
    if address.scheme or not is_private(address.host):
        return address.scheme == "http"
    try:
        _ask(address, "https")
    except httpx.TransportError as error:
        reason = _of_the_system(error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise _unreachable(address, f"its certificate isn't trusted: {reason.verify_message}") from error
        if isinstance(error, httpx.ProtocolError) or isinstance(reason, (ssl.SSLError, ConnectionResetError)):
            return _speaks_plain(address)  # it speaks something else
        raise _unreachable(address, str(error)) from error
    return False


def _speaks_plain(address: Address) -> bool:
    try:
        status = _ask(address, "http")
    except httpx.TransportError as error:
        raise _unreachable(address, str(error)) from error
    if status not in (_OK, _UNAUTHORIZED):
        raise _unreachable(address, f"it answered /v2/ with {status}, which no registry does")
    return True


def is_private(host: str) -> bool:
    """Whether every address of a host, given with or without a port, is a loopback or private one."""
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
    try:
        found = [info[4][0] for info in socket.getaddrinfo(name.strip("[]"), None)]
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(address).partition("%")[0]).is_private for address in found)


def _ask(address: Address, scheme: str) -> int:
    """The status of the one request that every registry answers; by this system's certificates and no proxy."""
    url, trusted = f"{scheme}://{address.host}/v2/", ssl.create_default_context()
    return httpx.get(url, timeout=_SECONDS, verify=trusted, trust_env=False).status_code


def _of_the_system(error: BaseException | None) -> OSError | None:
    """What the system said, below what the client made of it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error


def _unreachable(address: Address, why: str) -> StageError:
    return StageError(
        "the registry can't be used",
        where=address.host,
        why=why,
        remedy=f"check that it is up (curl -ik https://{address.host}/v2/) and that `cluster.registry` is right",
    )
