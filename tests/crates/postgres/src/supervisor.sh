# Keeps one PostgreSQL server for a test process, which holds the other end of standard input:
# when that ends, in whatever way, so do the server and the directory with all it wrote.
# $1: the directory of PostgreSQL's programs. For a standby, $2 and $3 are the port and the directory
# of its primary, which stands still. Answers with the directory, then `ready` or `failed`; then takes
# commands, one a line: `start <port>` answers `ready`, `busy` or `failed`; `kill`, `gone`; `stand`,
# `stopped`; `continue`, `running`. Of a server that was killed: `save`, `saved`; `restore`,
# `restored`.

bin=$1
primary=$2
original=$3
directory=
pid_file=data/postmaster.pid

end() {
  if [ -n "$directory" ]; then
    if [ -e "$pid_file" ]; then
      read -r pid <"$pid_file"
      kill -QUIT "$pid" # immediate shutdown
      signal CONT
      gone
    fi
    cd / && rm -rf "$directory"
  fi
}

# The answers of a test process that was killed go nowhere; that must not end this shell.
trap '' PIPE
trap 'exit 1' HUP INT TERM
trap end EXIT

create() {
  mkfifo alive && if [ -n "$primary" ]; then copy; else init; fi
}

# A copy of files that no process writes is the data of a server that has crashed, with its
# configuration. Not by pg_basebackup, which some packages of the server leave out.
copy() {
  cp -a "$original/data" data && rm "$pid_file" && touch data/standby.signal &&
    echo "primary_conninfo = 'host=127.0.0.1 port=$primary user=postgres'" >>data/postgresql.conf
}

init() {
  "$bin/initdb" --no-sync -A trust -E UTF8 --locale=C -U postgres -D data </dev/null >>log &&
    cat >>data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap # in the directory, so that it goes with it
fsync = on
shared_buffers = 64MB
max_wal_size = 512MB
max_connections = 400
deadlock_timeout = 20ms
ssl = off
timezone = 'UTC'
log_timezone = 'UTC'
CONF
}

start() {
  logged=$(wc -l <log)
  # All the server's processes inherit descriptor 7, so that 6 ends with the last of them.
  exec 7<>alive 6<alive
  if "$bin/pg_ctl" start -w -t 120 -D "$directory/data" -l log -o "-p $1" </dev/null >>log 6<&-; then
    exec 7>&-
    echo ready
    return
  fi
  exec 7>&-
  destroy
  if tail -n "+$((logged + 1))" log | grep -q 'could not bind'; then
    echo busy
  else
    echo failed
  fi
}

# As a crash: none of the processes gets to write, to answer or to tidy up.
destroy() {
  if [ -e "$pid_file" ]; then
    read -r pid <"$pid_file"
    # A child that is not in the list, being too young, ends because its parent has.
    kill -9 "$pid" $(cat "/proc/$pid/task/$pid/children" || pgrep -P "$pid")
  fi
  gone
}

# The first one first, so that no child is missed.
signal() {
  read -r pid <"$pid_file"
  kill "-$1" "$pid"
  kill "-$1" $(cat "/proc/$pid/task/$pid/children" || pgrep -P "$pid")
}

# Waits for the last of the server's processes. Takes away what one that was killed leaves outside
# of its files, and the number by which others could be taken for it.
gone() {
  read -r _ <&6
  exec 6<&-
  if [ -e "$pid_file" ]; then
    ipcrm -m "$(sed -n '7s/.* //p' "$pid_file")"
    rm "$pid_file"
  fi
}

directory=$(mktemp -d "${TMPDIR:-/tmp}/cqrs-postgres.XXXXXX" 2>/dev/null ||
  mktemp -d /tmp/cqrs-postgres.XXXXXX) || exit 1
cd "$directory" && exec 2>>log || exit 1
echo "$directory"
if create; then echo ready; else echo failed; fi

while read -r command port; do
  case $command in
  start) start "$port" ;;
  kill)
    destroy
    echo gone
    ;;
  stand)
    signal STOP
    echo stopped
    ;;
  continue)
    signal CONT
    echo running
    ;;
  save)
    rm -rf saved
    cp -a data saved && echo saved
    ;;
  restore)
    rm -rf data
    cp -a saved data && echo restored
    ;;
  esac
done
