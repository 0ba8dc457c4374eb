"""The function of the streams: it says how long after its record was put it began, and when it meets the last record of a key."""
import base64
import time


def handler(event, context):
    now = time.time_ns()
    if len(event["Records"]) > 1:
        time.sleep(0.01)
    for record in event["Records"]:
        data = base64.b64decode(record["kinesis"]["data"])
        if data.isdigit():
            print("after", now - int(data))
        elif data == b"last":
            print("last", record["kinesis"]["partitionKey"])
