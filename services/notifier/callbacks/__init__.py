"""The way back: who acknowledges in PagerDuty or Slack has acknowledged the case."""
