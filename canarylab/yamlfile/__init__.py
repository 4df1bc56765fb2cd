"""YAML with lines: files read so that every value knows where it stands."""
