"""How customers are written to: one module a way."""
