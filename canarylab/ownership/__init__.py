"""Whose cluster and whose object it is: on one that others use, what may be changed, used and removed."""
