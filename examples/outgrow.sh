#!/usr/bin/env bash
# Runs the example `transaction_files` with its parts in separate processes, as on several machines: a PostgreSQL server, a
# RabbitMQ server, three workers, and the manager. Both servers are private to the script, listen on 127.0.0.1 only, and end
# with it.
#
#     examples/outgrow.sh [RECORDS]
#
# RECORDS is the number of transactions in each of the twelve files; the default is 100000.
set -euo pipefail
cd "$(dirname "$0")/.."

records=${1:-100000}
say() { printf '\n==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The newest PostgreSQL that is installed; the repository supports 13 and later.
postgres=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
rabbitmq=/usr/lib/rabbitmq/bin
[ -x "$postgres/initdb" ] || die "PostgreSQL is missing: apt-get install postgresql"
[ -x "$rabbitmq/rabbitmq-server" ] || die "RabbitMQ is missing: apt-get install rabbitmq-server"

say "Build the example with PostgreSQL and RabbitMQ"
cargo build --release --package batch-examples --example transaction_files --features postgres,amqp
program=${CARGO_TARGET_DIR:-$PWD/target}/release/examples/transaction_files

folder=$(mktemp -d)
workers=()
finish() {
    if [ "${#workers[@]}" != 0 ]; then
        kill -TERM "${workers[@]}" 2>/dev/null || true
        wait "${workers[@]}" 2>/dev/null || true
    fi
    [ -z "${broker:-}" ] || kill -KILL -- "-$broker" 2>/dev/null || true
    [ -z "${server:-}" ] || kill -INT "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    [ -z "${epmd_port:-}" ] || ERL_EPMD_PORT=$epmd_port epmd -kill >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap finish EXIT

free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null || { printf '%s' "$port"; return; }
    done
}
await() {
    for _ in $(seq 600); do
        (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null && return
        sleep 0.1
    done
    die "$2 does not start: $(tail -n 5 "$3")"
}

say "Start PostgreSQL"
# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
port=$(free_port)
(
    cd "$folder"
    "${as_postgres[@]}" "$postgres/initdb" --no-sync -A trust -U etl -D "$folder/data" >"$folder/initdb.log"
)
"${as_postgres[@]}" "$postgres/postgres" -D "$folder/data" -k "$folder" -h 127.0.0.1 -p "$port" >"$folder/postgres.log" 2>&1 &
server=$!
await "$port" PostgreSQL "$folder/postgres.log"
export BATCH_REPOSITORY="postgres://etl@127.0.0.1:$port/postgres"
printf 'BATCH_REPOSITORY=%s\n' "$BATCH_REPOSITORY"

say "Start RabbitMQ"
broker_port=$(free_port)
epmd_port=$(free_port)
mkdir "$folder/rabbitmq"
printf 'loopback_users = none\nlisteners.tcp.1 = 127.0.0.1:%s\nlog.console = false\n' "$broker_port" >"$folder/rabbitmq/rabbitmq.conf"
printf '[].\n' >"$folder/rabbitmq/plugins"
(
    cd "$folder/rabbitmq"
    export HOME=$PWD RABBITMQ_NODENAME=etl$broker_port@localhost RABBITMQ_NODE_PORT=$broker_port
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=$(free_port) RABBITMQ_MNESIA_BASE=$PWD/mnesia
    export RABBITMQ_LOG_BASE=$PWD/log RABBITMQ_CONFIG_FILE=$PWD/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/plugins
    export ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_RELAXED_COMMAND_CHECK=1
    exec setsid "$rabbitmq/rabbitmq-server" >"$folder/rabbitmq.log" 2>&1
) &
broker=$!
await "$broker_port" RabbitMQ "$folder/rabbitmq.log"
export BATCH_BROKER="amqp://guest:guest@127.0.0.1:$broker_port"
printf 'BATCH_BROKER=%s\n' "$BATCH_BROKER"

say "Make twelve files of $records transactions"
"$program" run make_files --folder "$folder/transactions" --records "$records" --repository "$folder/files.db"

say "Start three workers: transaction_files worker"
for _ in 1 2 3; do
    "$program" worker &
    workers+=("$!")
done

say "Run the job: transaction_files run transaction_files --workers remote"
"$program" run transaction_files --workers remote --folder "$folder/transactions" &
manager=$!
sleep 1
say "The workers after a second: transaction_files workers"
"$program" workers
say "Kill the first worker: kill -9 ${workers[0]}"
kill -KILL "${workers[0]}" 2>/dev/null || true
wait "${workers[0]}" 2>/dev/null || true
wait "$manager"

say "The executions: transaction_files executions"
"$program" executions
