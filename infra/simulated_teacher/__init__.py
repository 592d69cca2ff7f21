"""The simulated teacher: a strict, seeded, OpenAI-compatible server that counts what it saw.

It is the independent referee of tests and benchmarks: started as a process (`python -m
infra.simulated_teacher`), never imported by the line, and it imports nothing of the line's own code.
"""
