"""Training, measuring and comparing the severity model; needs the extra ``tocsin[training]``."""
