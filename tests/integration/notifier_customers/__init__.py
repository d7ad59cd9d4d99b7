"""Messages to customers, with real servers."""
