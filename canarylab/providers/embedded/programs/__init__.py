"""The node's programs, roots and images: built once per digest of `node/` into the cache, shared by all profiles."""
