"""One process each: reads one topic, writes another, until it is told to end."""
