"""What became of a Rollout's pods, change by change: watched without a gap, and judged at every state."""
