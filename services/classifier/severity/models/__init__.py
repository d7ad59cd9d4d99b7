"""The trained model that ships."""
