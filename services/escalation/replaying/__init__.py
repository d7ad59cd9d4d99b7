"""What the log says must be what was decided, and what is kept: ``tocsin replay``."""
