"""Where charts, manifests and plugins come from, for providers that choose among them."""
