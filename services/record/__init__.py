"""The durable record: exports, the timeline of a case, and the search over what was said and done."""
