"""What runs inside the sandbox: it imports the standard library and its own modules, nothing else."""
