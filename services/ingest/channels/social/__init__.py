"""Parts of the social providers that are shared, or too long for a provider's own module."""
