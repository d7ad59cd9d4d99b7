"""Sinks against real receivers on loopback."""
