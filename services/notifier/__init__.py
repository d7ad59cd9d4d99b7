"""Tells people, systems and customers: plans notifications in one Kafka transaction, delivers them sink by sink."""
