"""Playbooks: their model, and the loader that turns a file into one or says what is wrong with it."""
