"""What happens, in what order. Read `flows/distill.py` first."""

from flows.settings import quiet_dependencies

# Prefect, Ray and the training libraries read their switches when they are imported, whoever imports the flows.
quiet_dependencies()
