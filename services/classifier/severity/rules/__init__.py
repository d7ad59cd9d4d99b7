"""The packaged rule files (YAML); read through ``importlib.resources``."""
