"""Tells people, systems and customers: plans in one Kafka transaction, delivers sink by sink."""
