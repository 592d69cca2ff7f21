"""Recall: what a teacher gave is withdrawn, wherever it went; then its files are deleted, and that is checked."""
