# Keeps a cluster for a test process, which holds the other end of standard input: when that ends, in
# whatever way, so do all processes of the cluster and the directory with all they wrote.
# $1: Patroni's program; $2: etcd's; $3 and $4: etcd's ports. Answers with the directory, where the test
# process writes the configuration of each member as `NUMBER.yml`. Then takes commands, one a line, each
# with one answer, `done`: `etcd` and `end-etcd`; `start NUMBER`, `kill NUMBER`, `freeze NUMBER`,
# `thaw NUMBER` a member, which is a Patroni and its PostgreSQL.

patroni=$1
etcd=$2
port=$3
peer_port=$4
directory=

# The processes of a group, those of a server, or those that are both.
group() { cat "$1.group" 2>/dev/null; }
postmaster() { head -n 1 "$1/postmaster.pid" 2>/dev/null; }
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }

# One that has ended, but of whose end nobody has taken note, has no program any more.
is_alive() { [ -e "/proc/$1/exe" ]; }

# signal SIGNAL NUMBER: Patroni, which would start the server again, and the server.
signal() {
  send "$1" "-$(group "$2")"
  signal_server "$1" "$2"
}

# The first process first, so that no child is missed.
signal_server() {
  server=$(postmaster "$2")
  if [ -n "$server" ] && is_alive "$server"; then
    send "$1" "$server"
    for child in $(children "$server"); do send "$1" "$child"; done
  fi
}

send() { [ "$2" = - ] || kill -s "$1" -- "$2" 2>/dev/null; }

# As a crash of the machine: nothing gets to write, to answer or to tidy up.
destroy() {
  server=$(postmaster "$1")
  all="$server $([ -z "$server" ] || children "$server")"
  signal KILL "$1"
  wait "$(group "$1")" 2>/dev/null
  for process in $all; do
    while is_alive "$process"; do sleep 0.01; done
  done
  if [ -e "$1/postmaster.pid" ]; then
    # What it leaves outside of its files, and the number by which others could be taken for it.
    ipcrm -m "$(sed -n '7s/.* //p' "$1/postmaster.pid")"
    rm "$1/postmaster.pid"
  fi
}

start() {
  # A group of its own, with all that Patroni runs but the server.
  setsid "$patroni" "$1.yml" </dev/null >>"$1.log" 2>&1 &
  echo $! >"$1.group"
}

# The server goes on where it was, and Patroni anew.
thaw() {
  send KILL "-$(group "$1")"
  wait "$(group "$1")" 2>/dev/null
  signal_server CONT "$1"
  start "$1"
}

start_etcd() {
  "$etcd" --name e --data-dir etcd --logger zap --log-level warn \
    --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "e=http://127.0.0.1:$peer_port" </dev/null >>etcd.log 2>&1 &
  etcd_process=$!
}

end_etcd() {
  [ -n "$etcd_process" ] || return
  kill -9 "$etcd_process"
  wait "$etcd_process" 2>/dev/null
  etcd_process=
}

end() {
  if [ -n "$directory" ]; then
    for number in 1 2 3; do
      [ ! -e "$number.group" ] || destroy "$number"
    done
    end_etcd
    cd / && rm -rf "$directory"
  fi
}

# The answers of a test process that was killed go nowhere; that must not end this shell.
trap '' PIPE
trap 'exit 1' HUP INT TERM
trap end EXIT

directory=$(mktemp -d "${TMPDIR:-/tmp}/cqrs-cluster.XXXXXX" 2>/dev/null ||
  mktemp -d /tmp/cqrs-cluster.XXXXXX) || exit 1
cd "$directory" && exec 2>>log || exit 1
echo "$directory"

while read -r command number; do
  case $command in
  etcd) start_etcd ;;
  end-etcd) end_etcd ;;
  start) start "$number" ;;
  kill) destroy "$number" ;;
  freeze) signal STOP "$number" ;;
  thaw) thaw "$number" ;;
  esac
  echo 'done'
done
