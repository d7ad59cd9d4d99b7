"""The notifier as a real process on Kafka and Redis, with receivers on loopback."""
