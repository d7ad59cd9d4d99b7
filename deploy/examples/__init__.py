"""Programs that consume what the product publishes; each runs by itself. See README.md here."""
