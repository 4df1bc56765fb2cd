"""The demonstration: kinds of steps, one file each, and what measures the traffic."""
