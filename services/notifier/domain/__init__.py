"""Pure: who is told what, when again, and what has become stale."""
