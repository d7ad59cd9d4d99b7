"""The case view: a projection of ``case.state`` and ``feedback.outcomes`` that can be rebuilt."""
