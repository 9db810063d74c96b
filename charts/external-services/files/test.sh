# Resolves every mapping and connects to each of its TCP ports, from inside the cluster.
# Arguments: how many seconds a connection may take, then for each mapping its
# NAME.NAMESPACE and the TCP ports, with spaces between. Needs the nslookup and nc of
# BusyBox. Fails when a mapping fails.
timeout=$1
shift

# The names are absolute, as not every nslookup follows the search list. Its first entry
# is NAMESPACE.svc.DOMAIN; those of the node follow.
domain=$(sed -n 's/^search  *[^ ]*\.svc\.\([^ ]*\).*$/\1/p' /etc/resolv.conf)
[ -n "$domain" ] || domain=cluster.local

check() {
  name=$1
  shift
  addresses=$(nslookup "$name.svc.$domain." 2>/dev/null | awk '/^Name:/ {found = 1} found && /^Address/ {printf "%s%s", separator, $NF; separator = ","}')
  if [ -z "$addresses" ]; then
    printf '%-45s %-6s %s\n' "$name" - 'FAILED: does not resolve'
    return 1
  fi
  [ $# -gt 0 ] || printf '%-45s %-6s %s\n' "$name" - "resolves to $addresses"
  bad=0
  for port; do
    # -e true ends a connection as soon as it is there; not every nc has -z
    if nc -w "$timeout" "$name.svc.$domain." "$port" -e true </dev/null >/dev/null 2>&1; then
      printf '%-45s %-6s %s\n' "$name" "$port" "connects, resolves to $addresses"
    else
      printf '%-45s %-6s %s\n' "$name" "$port" "FAILED: resolves to $addresses, no connection within $timeout s"
      bad=1
    fi
  done
  return $bad
}

# Twenty mappings at a time: a check of many that do not answer ends, too.
failed=0
total=$#
printf '%-45s %-6s %s\n' NAME PORT RESULT
while [ $# -gt 0 ]; do
  running=
  count=0
  while [ $# -gt 0 ] && [ $count -lt 20 ]; do
    # shellcheck disable=SC2086 # the ports are words of their own
    check $1 &
    running="$running $!"
    count=$((count + 1))
    shift
  done
  for check in $running; do
    wait "$check" || failed=$((failed + 1))
  done
done

if [ $failed -gt 0 ]; then
  echo "$failed of $total mappings failed."
  exit 1
fi
echo "All $total mappings work."
