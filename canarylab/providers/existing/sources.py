"""Everything from where it is published, with the user's own programs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.providers.existing import doctor
from canarylab.providers.sources.published import PublishedSources

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class PublishedWithPrograms(PublishedSources):
    """As published; a program that is missing here may be one that the embedded provider has built."""

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002 - the contract's
        """Those on the PATH; where one is missing, all that the embedded provider has built, if it has."""
        return None if all(map(shutil.which, doctor.CLIENTS)) else doctor.built_programs()
