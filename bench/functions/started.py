"""The function of the events: it says how long after its message was sent it began."""
import time


def handler(event, context):
    now = time.time_ns()
    for record in event["Records"]:
        if record["body"].isdigit():
            print("after", now - int(record["body"]))
