#!/usr/bin/env bash
# Sets the example up: a stream, a bucket, and a function between them. Running it
# again brings everything up to date.
#
#   up.sh [BUCKET [STREAM [WINDOW]]]     the window in seconds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bucket=${1:-sums} stream=${2:-readings} window=${3:-10}

echo "1. a stream: $stream, and a bucket: $bucket"
aws kinesis describe-stream-summary --stream-name "$stream" >/dev/null 2>&1 || aws kinesis create-stream --stream-name "$stream" --shard-count 2
aws kinesis wait stream-exists --stream-name "$stream"
source=$(aws kinesis describe-stream-summary --stream-name "$stream" --query StreamDescriptionSummary.StreamARN --output text)
aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1 || aws s3 mb "s3://$bucket"

echo "2. a function"
python=$(mayfly runtimes --json | tr -d ' \n' | grep -oE '"runtime":"python[0-9.]+","available":true' | cut -d'"' -f4 | tail -1)
rm -rf "$here/build"
mkdir -p "$here/build"
cp "$here/app.py" "$here/mayfly.json" "$here/build"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts --target "$here/build" --requirement "$here/requirements.txt"
mayfly deploy "$here/build" --runtime "$python" --env "BUCKET=$bucket"

echo "3. windows of $window s"
old=$(aws lambda list-event-source-mappings --function-name aggregates --event-source-arn "$source" --query 'EventSourceMappings[0].UUID' --output text)
if [ "$old" = None ]; then
	aws lambda create-event-source-mapping --function-name aggregates --event-source-arn "$source" \
		--starting-position TRIM_HORIZON --tumbling-window-in-seconds "$window" --query UUID --output text
else
	aws lambda update-event-source-mapping --uuid "$old" --tumbling-window-in-seconds "$window" --query UUID --output text
fi
