"""Sinks against implementations that are not ours."""
