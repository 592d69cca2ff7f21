"""What happens, in what order. Read `flows/distill.py` first."""
