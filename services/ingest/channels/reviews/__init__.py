"""What reviews have in common, whatever the platform: stars, anonymous names, translations, pages."""
