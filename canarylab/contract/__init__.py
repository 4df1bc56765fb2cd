"""The contract: what a run hands to stages, steps and providers, and what it asks of them.

Context, Playbook, Stage, Step and Provider name each other; no other circle is allowed.
"""
