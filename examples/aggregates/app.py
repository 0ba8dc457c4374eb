"""Sums up the readings of sensors by windows of time, and writes each sum to S3."""

import base64
import json
import os

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    # What the last batch of this window and shard returned comes back with the next.
    state = event.get("state") or {}
    for record in event["Records"]:
        add(state, json.loads(base64.b64decode(record["kinesis"]["data"])))
    if event.get("isFinalInvokeForWindow") and state:
        write(event["window"], event["shardId"], state)
    return {"state": state}


def add(state, reading):
    value = reading["value"]
    sums = state.setdefault(reading["sensor"], {"count": 0, "sum": 0, "min": value, "max": value})
    sums["count"] += 1
    sums["sum"] += value
    sums["min"] = min(sums["min"], value)
    sums["max"] = max(sums["max"], value)


def write(window, shard, state):
    """A window that is tried again writes the same object again."""
    key = f"readings/{window['start']}/{shard}.json"
    s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps({"window": window, "sensors": state}), ContentType="application/json")
    print("wrote", key)
