#!/usr/bin/env bash
# What `make run` does: start a server on a data folder, deploy the sample,
# invoke it, and keep serving until interrupted. A server that already runs on
# the folder is used as it is.
set -euo pipefail
mayfly=$1 data=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)

if ! "$mayfly" list --data "$data" >/dev/null 2>&1; then
	"$mayfly" serve --data "$data" "$@" &
	server=$!
	trap 'kill -TERM $server 2>/dev/null; wait $server' EXIT INT TERM
	for _ in $(seq 100); do
		"$mayfly" list --data "$data" >/dev/null 2>&1 && break
		kill -0 $server 2>/dev/null || { wait $server; exit 1; }
		sleep 0.1
	done
fi

runtime=$("$mayfly" runtimes --data "$data" --json | tr -d ' \n' |
	grep -oE '"runtime":"python3\.[0-9]+","available":true' | grep -oE 'python3\.[0-9]+' | tail -1 || true)
if [ -z "$runtime" ]; then
	echo "No Python interpreter was found for the sample. Install one (apt-get install python3) and run make run again;"
	echo "\`$mayfly runtimes\` lists what is here."
	exit 1
fi

echo
"$mayfly" deploy "$here/hello" --name hello --runtime "$runtime" --handler app.handler --data "$data"
echo
"$mayfly" invoke hello --event "$here/hello/event.json" --data "$data"
cat <<END

Mayfly is serving. In another terminal:

  eval "\$($mayfly env --data $data)"
  aws lambda list-functions
  aws lambda invoke --function-name hello --payload '{"name":"you"}' --cli-binary-format raw-in-base64-out /dev/stdout
  $mayfly logs hello -f

END
if [ -n "${server:-}" ]; then
	echo "Stop it with Ctrl-C."
	wait $server
fi
