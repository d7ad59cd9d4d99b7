"""The classifier worker as a process on the real broker."""
