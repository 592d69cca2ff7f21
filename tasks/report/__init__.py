"""The report on a judging or a version: what was read, what was drawn from it, and the page."""
