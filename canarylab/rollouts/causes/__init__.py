"""Why a Rollout isn't as it should be."""
