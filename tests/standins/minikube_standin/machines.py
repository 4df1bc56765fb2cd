"""What stands for the machines behind profiles: a process and the embedded node; for tests in memory, neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .containerd import Store
    from .home import Home
    from .node import Node
    from .vm import Vm


class Machines(Protocol):
    """Of each profile the virtual machine, and the Kubernetes in it."""

    def vm(self, home: Home, profile: str) -> Vm: ...

    def node(self, home: Home, profile: str) -> Node: ...

    def images(self, home: Home, profile: str) -> Store: ...

    def is_made(self, home: Home, profile: str) -> bool:
        """Whether there is a node: asking for it would begin one."""
        ...


class RealMachines:
    """As the program has them. Imported when they are asked for: most commands need none."""

    def vm(self, home: Home, profile: str) -> Vm:
        from .vm import Vm

        return Vm(home, profile)

    def node(self, home: Home, profile: str) -> Node:
        from .node import Node

        return Node(home, profile)

    def images(self, home: Home, profile: str) -> Store:
        from .containerd import Containerd

        return Containerd(home.node(profile))

    def is_made(self, home: Home, profile: str) -> bool:
        return (home.standin / "canarylab" / profile).exists()
