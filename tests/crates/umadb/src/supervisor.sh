# Keeps one UmaDB server for a test process, which holds the other end of standard input: when that
# ends, in whatever way, so do the server and the directory with its data.
# $1: the server's program; then arguments for it. Takes commands, one a line: `start <port>`
# answers `ready`, `busy` or `failed ..`; `kill`, `gone`; `stand`, `stopped`; `continue`, `running`.
# Of a server that was killed: `save`, `saved`; `restore`, `restored`; `clear`, `cleared`.

pid=
directory=$(mktemp -d "${TMPDIR:-/tmp}/cqrs-umadb.XXXXXX") || exit 1

end() {
  destroy
  cd / && rm -rf "$directory"
}

# The answers of a test process that was killed go nowhere; that must not end this shell.
trap '' PIPE
trap 'exit 1' HUP INT TERM
trap end EXIT

# The server tells when it listens; what it prints after that goes to the log.
start() {
  rm -f said
  mkfifo said
  "$@" --listen "127.0.0.1:$port" --db-path "$directory/data" <&- >said 2>&1 &
  pid=$!
  exec 5<said
  : >log
  while read -r line <&5; do
    printf '%s\n' "$line" >>log
    case $line in
    *' is listening on '*)
      cat <&5 >>log &
      exec 5<&-
      echo ready
      return
      ;;
    esac
  done
  destroy
  if grep -q 'failed to bind' log; then echo busy; else echo "failed: $(tail -n 1 log)"; fi
}

destroy() {
  if [ -n "$pid" ]; then
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
  fi
}

# A signal takes its time to reach all threads.
stand() {
  kill -STOP "$pid"
  while grep -h '^State:' /proc/"$pid"/task/*/status | grep -qv 'T (stopped)'; do :; done
}

cd "$directory" && mkdir data || exit 1
while read -r command port; do
  case $command in
  start) start "$@" ;;
  kill) destroy && echo gone ;;
  stand) stand && echo stopped ;;
  continue) kill -CONT "$pid" && echo running ;;
  save) rm -rf saved && cp -a data saved && echo saved ;;
  restore) rm -rf data && cp -a saved data && echo restored ;;
  clear) rm -rf data && mkdir data && echo cleared ;;
  esac
done
