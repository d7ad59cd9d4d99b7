"""The console: the HTTP JSON API over the cases; its pages come later."""
