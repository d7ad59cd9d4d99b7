#!/usr/bin/env bash
# Escalations with nothing but kcat and jq: one line per event that is new for its case.
#
#   ./kcat.sh [host:port] [topic] [group]     as a member of a group: it remembers how far it is
#   KCAT_ARGS="-X security.protocol=SASL_SSL …"  for a broker that wants more
#
# kcat acknowledges what it prints: at most once. For work that must not be lost use the client.
set -euo pipefail

bootstrap="${1:-127.0.0.1:9092}"
topic="${2:-escalations}"
group="${3:-kcat-example}"

# isolation.level: what a transaction took back must not be seen.
# shellcheck disable=SC2086
kcat -b "$bootstrap" -G "$group" ${KCAT_ARGS:-} -q -u \
  -X isolation.level=read_committed -X auto.offset.reset=earliest \
  -f '%s\n' "$topic" |
  jq -r --unbuffered -n '
    foreach (inputs | select(.type == "case.event.v1")) as $event (
      {last: {}};
      ($event.case_seq > (.last[$event.case_id] // -1)) as $new
      | .new = $new
      | if $new then .last[$event.case_id] = $event.case_seq else . end;
      if .new then
        [$event.case_id, $event.case_seq, $event.kind, $event.case.severity // "-"] | @tsv
      else empty end
    )'
