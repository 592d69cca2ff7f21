"""Screens: what can be said of a teacher over a run, where the rules see one trace at a time."""
