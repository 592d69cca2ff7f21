"""Runs told to others as OpenLineage events."""
