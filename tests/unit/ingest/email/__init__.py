"""The e-mail core."""
