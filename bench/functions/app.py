"""The function that is measured: it answers its event."""
import os
import time

LINES = int(os.environ.get("LINES", 0))
SLEEP = float(os.environ.get("SLEEP", 0))


def handler(event, context):
    for i in range(LINES):
        print("line", i, "of a function that says a lot")
    if SLEEP:
        time.sleep(SLEEP)
    return event
