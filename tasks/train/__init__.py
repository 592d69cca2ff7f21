"""A version becomes a student."""
