"""What a playbook holds once it is understood."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from canarylab.contract.stage import AnyStage
from canarylab.contract.step import Step

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

_TIME_PATTERN = r"[0-9]+(\.[0-9]+)?[smh]?"
_LONGEST_TIME = 86_400.0
_MEMORY = r"^\d+(b|k|kb|m|mb|g|gb)?$"

PROFILE_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])$"
"""A name of 2 to 40 characters that can be a hostname, a context and a folder; minikube asks for two at least."""

_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


def seconds(value: Any) -> float:
    """`90`, `90s`, `5m` or `1h` in seconds. Raises ValueError for anything else, also for more than a day."""
    number = 0.0
    if isinstance(value, str) and re.fullmatch(_TIME_PATTERN, value):
        digits = value.rstrip("smh")
        number = float(digits) * _UNITS[value[len(digits) :]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if not 0 < number <= _LONGEST_TIME:
        raise ValueError("expected a time above 0 and up to 24h, such as 90s, 5m or 1h")
    return number


def profile_name(value: str) -> str:
    """The value, if it can be a profile's name; else ValueError with the rule."""
    return _checked(value, PROFILE_PATTERN, "a profile's name has 2 to 40")


def object_name(value: str) -> str:
    """The value, if it can name a playbook or a stage; else ValueError with the rule."""
    return _checked(value, _NAME_PATTERN, "a name has 1 to 63")


def _checked(value: str, pattern: str, rule: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{rule} lower-case letters, digits and hyphens, and no hyphen at either end")
    return value


def _text(pattern: str) -> dict[str, Any]:
    """The JSON Schema of a text."""
    return {"type": "string", "pattern": pattern}


_NUMBER = {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST_TIME}
Seconds = Annotated[float, BeforeValidator(seconds), WithJsonSchema({"anyOf": [_NUMBER, _text(f"^{_TIME_PATTERN}$")]})]
ProfileName = Annotated[str, AfterValidator(profile_name), WithJsonSchema(_text(PROFILE_PATTERN))]
ObjectName = Annotated[str, AfterValidator(object_name), WithJsonSchema(_text(_NAME_PATTERN))]


class ClusterSpec(BaseModel):
    """The playbook's `cluster`: what the cluster is called and how large it is. A provider takes what it can use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: ProfileName = Field(description="name of the cluster and of its kubeconfig context")
    provider: str | None = Field(None, description="embedded, minikube or existing; without it, what fits the machine")
    kubernetes: str | None = Field(None, description="Kubernetes version, where the provider lets one choose")
    memory: str = Field("8192mb", pattern=_MEMORY, description="memory of the cluster's machine, such as 8192mb")
    cpus: int = Field(4, ge=1, description="processors of the cluster's machine")
    driver: str | None = Field(None, description="minikube: driver of the virtual machine")
    network: str | None = Field(None, description="minikube: network of the virtual machine")
    container_runtime: str | None = Field(None, description="minikube: docker or containerd")
    service_cluster_ip_range: str | None = Field(
        None, description="minikube: addresses of Services, such as 10.112.0.0/12; without it, a range no profile has"
    )
    context: str | None = Field(None, description="existing: the kubeconfig context to use")
    registry: str | None = Field(None, description="existing: the registry that images are pushed to")
    internet: bool = Field(False, description="embedded: let the cluster reach beyond this host")
    patience: float = Field(
        1,
        ge=1,
        le=100,
        description="what time limits are multiplied by: on a machine that is so many times as slow",
    )


@dataclass(frozen=True)
class Limits:
    """How long a stage may take in seconds, all its tries together, and how often a failed apply is tried again."""

    deadline: float
    retries: int

    def patient(self, patience: float) -> Limits:
        """The same on a machine that is so many times as slow."""
        return replace(self, deadline=self.deadline * patience)


class StageHead(BaseModel):
    """The keys that every stage may have, whatever its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(description="the kind of stage")
    needs: tuple[str, ...] = Field((), description="the stages that must be healthy before this one starts")
    deadline: Seconds | None = Field(None, description="how long it may take, all tries together, such as 90s or 5m")
    retries: int | None = Field(None, ge=0, le=10, description="how often a failed apply is tried again")


class PartFile(BaseModel):
    """The keys of a part. What stands in a stage is for its kind to say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: dict[ObjectName, dict[str, Any]] = Field(description="the stages by name, each a mapping with its kind")


class PlaybookFile(PartFile):
    """The keys of a playbook. What stands in a step is for its kind to say, too."""

    name: ObjectName = Field(description="what the playbook is called; its file is called NAME.yaml")
    description: str = Field("", description="what it shows, in a sentence")
    cluster: ClusterSpec = Field(description="the cluster that the stages run on")
    uses: tuple[ObjectName, ...] = Field(
        (), description="parts, such as istio: files in parts/ whose stages this playbook has too"
    )
    every_step: dict[str, Any] = Field(
        {}, alias="every-step", description="options of the steps of `demo` that have them and don't say otherwise"
    )
    demo: tuple[dict[str, Any], ...] = Field((), description="the demonstration: a list of steps, each `- kind: {...}`")


@dataclass(frozen=True)
class Playbook:
    """A playbook with its parts, read and checked. `digest` is the SHA-256 of the file; with parts, it covers theirs.

    `members` are the playbooks that a union is made of; it has their stages, and no demonstration itself.
    """

    name: str
    description: str
    path: Path
    digest: str
    cluster: ClusterSpec
    stages: tuple[AnyStage, ...]
    limits: dict[str, Limits]
    demo: tuple[Step, ...]
    members: tuple[Playbook, ...] = ()

    @property
    def profile(self) -> str:
        """The name of the cluster that it is for."""
        return self.cluster.profile

    @property
    def performances(self) -> tuple[Playbook, ...]:
        """The playbooks whose demonstrations it stands for: its own, or its members'."""
        return tuple(playbook for playbook in (self.members or (self,)) if playbook.demo)
