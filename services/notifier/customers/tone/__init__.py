"""How the lint reads each language: what a message must say, and what it must not."""
