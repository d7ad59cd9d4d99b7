"""Reference pages and ``tocsin.toml.example``, generated from the code that they describe."""
