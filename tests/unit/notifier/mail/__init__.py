"""Mails that the notifier sends, to receivers on loopback."""
