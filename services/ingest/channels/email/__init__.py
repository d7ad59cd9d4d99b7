"""E-mail as items: from raw messages (SMTP, IMAP, files) and from mail that a provider has parsed.

Pure. ``message`` holds the two entries, ``parse_message`` and ``from_parts``; ``parts`` what they take.
"""
