"""Kept traces become an immutable, checksummed version."""
