#!/usr/bin/env bash
# What `make run` does: start a server on a data folder, deploy the sample,
# invoke it, and keep serving until interrupted. A server that already runs on
# the folder is used as it is.
#
#   samples/run.sh path/to/mayfly DATA [flags of mayfly serve]
set -euo pipefail
mayfly=$1 data=$2
shift 2
here=$(dirname "$0")
server=

# The default folder goes without saying, in the commands that are printed too.
folder=(--data "$data")
[ "$data" != "${MAYFLY_DATA:-$HOME/.mayfly}" ] || folder=()

running() { "$mayfly" list "${folder[@]}" >/dev/null 2>&1; }

# The server has a process group of its own (set -m), so that Ctrl-C reaches this
# script alone and the server is told once to stop: told twice, it stops at once.
serve() {
	set -m
	"$mayfly" serve "${folder[@]}" "$@" &
	server=$!
	set +m
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap stop EXIT
	for _ in $(seq 300); do
		running && return
		kill -0 "$server" 2>/dev/null || exit 1 # it has said why
		sleep 0.1
	done
	echo "The server did not answer within 30 s." >&2
	exit 1
}

stop() {
	trap 'kill -TERM "$server" 2>/dev/null' INT TERM
	kill -TERM "$server" 2>/dev/null || return 0
	while kill -0 "$server" 2>/dev/null; do wait "$server" || true; done
}

# The newest Python that the server has; another runtime would do as well.
python() {
	"$mayfly" runtimes "${folder[@]}" --json | tr -d ' \n' |
		grep -oE '"runtime":"python3\.[0-9]+","available":true' | grep -oE 'python3\.[0-9]+' | tail -1 || true
}

if running; then
	echo "A server runs on $data already: this uses it."
else
	serve "$@"
fi

runtime=$(python)
if [ -n "$runtime" ]; then
	echo
	"$mayfly" deploy "$here/hello" --name hello --runtime "$runtime" --handler app.handler "${folder[@]}"
	echo
	"$mayfly" invoke hello --event "$here/hello/event.json" "${folder[@]}" 2>&1
else
	cat <<END

There is no Python for the sample. Install one (apt-get install python3) and run
make run again; "$mayfly runtimes" lists what is here.
END
fi
cat <<END

Mayfly is serving. In another terminal:

  eval "\$($mayfly env${folder[*]:+ ${folder[*]}})"
  aws lambda list-functions
  aws lambda invoke --function-name hello --payload fileb://$here/hello/event.json /dev/stdout
  $mayfly logs hello -f ${folder[*]}
  $mayfly init mine --runtime ${runtime:-provided.al2023}

END
if [ -n "$server" ]; then
	echo "Stop it with Ctrl-C."
	wait "$server"
fi
