"""One way to make a feedback for the tests of the classifier."""

from __future__ import annotations

from shared.events import Channel, FeedbackReceived, Rating


def feedback(
    text: str,
    *,
    channel: Channel = Channel.EMAIL,
    language: str | None = None,
    stars: float | None = None,
    followers: int | None = None,
) -> FeedbackReceived:
    """Return a feedback with ``text``; stars are of five."""
    return FeedbackReceived(
        feedback_id="f1",
        tenant="acme",
        source="test",
        channel=channel,
        native_id="n1",
        record_key="acme:c1",
        customer_key="c1",
        received_at=0,
        text=text,
        language=language,
        rating=None if stars is None else Rating(value=stars),
        attributes={} if followers is None else {"followers": followers},
    )
