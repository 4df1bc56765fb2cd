"""`invoke watch`: a Rollout as it goes on, with its weights, its pods, and the traffic that the gateways count."""
