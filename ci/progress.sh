#!/usr/bin/env bash
# Runs a quiet command that may take minutes, and says now and then that it goes on.
#
#   ci/progress.sh WHAT COMMAND...
#
# Of a command that prints a line a step, such as go build -v, it tells the number
# of lines. When the command fails, its output is printed.
set -uo pipefail

what=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$@" >"$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null' INT TERM
while kill -0 "$pid" 2>/dev/null; do
  sleep 0.2
  if ((SECONDS >= ${next:=15})); then
    next=$((SECONDS + 15))
    echo "$what: $(wc -l <"$log") steps so far, $SECONDS s"
  fi
done
wait "$pid"
code=$?
if ((code)); then
  cat "$log" >&2
  echo "$what: failed with exit code $code" >&2
elif ((SECONDS >= 5)); then
  echo "$what: done in $SECONDS s"
fi
exit "$code"
