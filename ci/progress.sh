#!/usr/bin/env bash
# Runs a command that may take minutes, and says now and then that it goes on.
#
#   ci/progress.sh [-v] WHAT COMMAND...
#
# Of a command that prints a line a step, such as go build -v, it tells the number
# of lines. When the command fails, its output is printed. With -v the command tells its
# progress itself, and all of it is printed.
#
# Where STEP_TIMES names a file, a line is added to it: the seconds that the command took,
# those of the processors, its exit code and WHAT, divided by tabs.
set -uo pipefail

verbose=
if [ "$1" = -v ]; then
  verbose=1
  shift
fi
what=$1
shift
start=$EPOCHREALTIME

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# finish notes the times and ends with the exit code.
finish() {
  if [ -n "${STEP_TIMES:-}" ]; then
    mkdir -p "$(dirname "$STEP_TIMES")"
    times >"$log" # the second line is what the children took, such as 1m2.3s 0m4.5s
    awk -v start="$start" -v end="$EPOCHREALTIME" -v code="$1" -v what="$what" '
      function seconds(time,  part) { split(time, part, /[ms]/); return 60 * part[1] + part[2] }
      NR == 2 { printf "%.1f\t%.1f\t%s\t%s\n", end - start, seconds($1) + seconds($2), code, what }' "$log" >>"$STEP_TIMES"
  fi
  exit "$1"
}

if [ "$verbose" ]; then
  "$@"
  finish $?
fi

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
finish "$code"
