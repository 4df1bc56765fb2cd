"""The colours of phases and roles, in rich's words."""

from __future__ import annotations

PHASE_STYLES = {"Healthy": "bold green", "Paused": "bold yellow", "Progressing": "bold cyan", "Degraded": "bold red"}
ROLE_STYLES = {"canary": "yellow", "preview": "yellow", "stable": "green", "active": "green", "": "magenta"}
"""A revision of no role shouldn't have traffic, so it stands out where it does."""
