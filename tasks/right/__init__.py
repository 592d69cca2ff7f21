"""May we train on it? Terms, the gate, decisions."""
