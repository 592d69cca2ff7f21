"""Where it runs: the teacher registry, the simulated teacher, containers. Nothing imports this package."""
