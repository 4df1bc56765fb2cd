"""What a playbook holds once it is understood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from canarylab.demo.base import Step
    from canarylab.stages.base import Stage

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

PROFILE_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])$"
"""A name of 2 to 40 characters that can be a hostname, a context and a folder; minikube asks for two at least."""


def seconds(value: Any) -> Any:
    """`90`, `90s`, `5m` or `1h` in seconds; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0)]


class ClusterSpec(BaseModel):
    """The playbook's `cluster`: what the cluster is called and how large it is. A provider takes what it can use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str = Field(pattern=PROFILE_PATTERN, description="name of the cluster and of its kubeconfig context")
    provider: str | None = Field(None, description="embedded, minikube or existing; without it, what fits the machine")
    kubernetes: str | None = Field(None, description="Kubernetes version, where the provider lets one choose")
    memory: str = Field("8192mb", pattern=r"^\d+(b|k|kb|m|mb|g|gb)?$", description="memory of the virtual machine")
    cpus: int = Field(4, ge=1, description="processors of the virtual machine")
    driver: str | None = Field(None, description="minikube: driver of the virtual machine")
    network: str | None = Field(None, description="minikube: network of the virtual machine")
    container_runtime: str | None = Field(None, description="minikube: docker or containerd")
    context: str | None = Field(None, description="existing: the kubeconfig context to use")
    registry: str | None = Field(None, description="existing: the registry that images are pushed to")
    internet: bool = Field(False, description="embedded: let the cluster reach beyond this host")


@dataclass(frozen=True)
class Limits:
    """How long a stage may take in seconds, all its tries together, and how often a failed apply is tried again."""

    deadline: float
    retries: int


@dataclass(frozen=True)
class Playbook:
    """A playbook, read and checked. `digest` is the SHA-256 of the file."""

    name: str
    description: str
    path: Path
    digest: str
    cluster: ClusterSpec
    stages: tuple[Stage[Any, Any], ...]
    limits: dict[str, Limits]
    demo: tuple[Step, ...]

    @property
    def profile(self) -> str:
        return self.cluster.profile
