"""The function of the soak: it answers which request it got, and which code it is."""
import os
import signal
import subprocess
import time

VERSION = int(open("version").read())


def handler(event, context):
    do, nonce = event["do"], event["nonce"]
    print("run", nonce)
    if do == "raise":
        raise RuntimeError(f"{nonce} {VERSION}")
    elif do == "exit":
        os._exit(3)
    elif do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "hang":
        time.sleep(600)
    elif do == "grow":
        hog = b"x" * (800 << 20)
        print(len(hog))
    elif do == "child":
        subprocess.Popen(["sleep", "600"])
    elif do == "daemon":
        subprocess.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 </dev/null & exit 0"])
    return {"nonce": nonce, "version": VERSION}
