"""One file for each way to tell somebody; all are a :class:`services.notifier.ports.Sink`."""
