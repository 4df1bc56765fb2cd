"""The servers of Istio's Gateways, as they are written, and the Secrets that they have their certificates from. Pure.

Sources: istio/istio, pilot/pkg/model/gateway.go (mergeGateways), pilot/pkg/model/credentials/resource.go
(ParseResourceName) and pilot/pkg/xds/sds.go (filterAuthorizedResources): a Secret is read in the namespace of the
gateway's pods, wherever the Gateway is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from canarylab.kube.objects import Object, dig, listed

PASSED_ON = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
"""The modes in which TLS isn't ended."""
ASKING = ("MUTUAL", "ISTIO_MUTUAL")
"""Those in which a client has to show a certificate."""

_SCHEME = "kubernetes://"
_CREDENTIALS = ("credentialName", "credentialNames")


@dataclass(frozen=True)
class Server:
    """One of the servers of a Gateway, as it is written."""

    gateway: Object
    index: int
    written: Any

    @property
    def name(self) -> str:
        """The Gateway's, with its namespace."""
        return f"{dig(self.gateway, 'metadata', 'namespace') or ''}/{dig(self.gateway, 'metadata', 'name')}"

    @property
    def where(self) -> str:
        """As a person finds it."""
        return f"Gateway {self.name}, servers[{self.index}]"

    @property
    def port(self) -> int:
        """The one that it opens, of the gateway's pods or of their Service."""
        number = dig(self.written, "port", "number")
        return number if isinstance(number, int) else 0

    @property
    def hosts(self) -> list[str]:
        """Without the namespaces that may stand before them."""
        return [str(one).rpartition("/")[2].lower() for one in listed(self.written, "hosts")]

    @property
    def mode(self) -> str:
        """Of TLS, such as SIMPLE; "" where there is none."""
        is_tls = str(dig(self.written, "port", "protocol") or "").upper() in ("HTTPS", "TLS")
        return str(dig(self.written, "tls", "mode") or "PASSTHROUGH") if is_tls else ""

    @property
    def credentials(self) -> list[str]:
        """The Secrets of its certificates, each NAME or NAMESPACE/NAME."""
        tls = dig(self.written, "tls")
        names = [str(one) for one in listed(tls, "credentialNames")] or [str(dig(tls, "credentialName") or "")]
        return [name.removeprefix(_SCHEME) for name in names if name and "://" not in name.removeprefix(_SCHEME)]

    @property
    def place(self) -> tuple[str | int, ...]:
        """Where it stands in the Gateway."""
        return ("spec", "servers", self.index)

    def place_of(self, credential: str) -> tuple[str | int, ...]:
        """Where the name of a Secret stands in the Gateway."""
        key, several = _CREDENTIALS
        at = (*self.place, "tls")
        names = [str(one).removeprefix(_SCHEME) for one in listed(self.written, "tls", several)]
        return (*at, several, names.index(credential)) if credential in names else (*at, key)


def servers_of(gateway: Object) -> Iterator[Server]:
    """All that it opens. Pure."""
    for index, written in enumerate(listed(gateway, "spec", "servers")):
        yield Server(gateway, index, written)
