"""Requests to the application: sent, counted, and what the counts say."""
