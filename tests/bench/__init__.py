"""`make bench`: Tocsin beside its peers, on one embedded broker, all ratios within one run."""
