"""A function of which one call in ten ends badly: it exits, hangs or grows."""
import os
import time


def handler(event, context):
    n = int(event[:12])
    if n % 10 == 0:
        kind = n // 10 % 3
        if kind == 0:
            os._exit(3)
        elif kind == 1:
            time.sleep(30)
        else:
            hog = bytearray(1 << 30)
            for i in range(0, len(hog), 4096):
                hog[i] = 1
    return event
