"""Import of history: files → items → the one path of intake, resumable."""
