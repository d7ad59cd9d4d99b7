"""Real feedback through the real doors, and a count of what came out: ``python -m tests.data.doors``."""
