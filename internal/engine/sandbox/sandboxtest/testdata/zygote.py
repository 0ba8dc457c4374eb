# The smallest zygote: what it forks runs what it is told to on descriptor 3.
import array, ctypes, gc, json, mmap, os, socket, sys

ROOM = 1 << 20
api = ctypes.pythonapi
control = socket.socket(fileno=int(os.environ["MAYFLY_ZYGOTE"]))
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
entry = libc.mmap(None, 4096, 5, mmap.MAP_PRIVATE, 4, 0)
base = libc.mmap(None, ROOM, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
os.close(4)
fork_into = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(entry)
fds = array.array("i")


def run(link):
    request = b""
    while not request.endswith(b"\n"):
        request += os.read(link, 65536)
    r = json.loads(request)
    high = os.dup(link)
    while high < 100:
        high = os.dup(link)
    for i in range(r["files"]):
        os.dup2(4 + i, 3 + i)
    for fd in range(3 + r["files"], 100):
        try: os.close(fd)
        except OSError: pass
    try:
        os.chdir(r["dir"] or "/tmp")
        env = dict(e.split("=", 1) for e in r["env"] or [])
        if r["code"] is not None:
            os.close(high)
            os.environ.clear(); os.environ.update(env)
            names = {"__name__": "__main__"}
            exec(r["code"], names)
            sys.stdout.flush()
            os._exit(0)
        os.set_inheritable(high, False)
        if "/" in r["args"][0]: os.execve(r["args"][0], r["args"], env)
        if "PATH" not in env: raise FileNotFoundError(2, "")
        os.execvpe(r["args"][0], r["args"], env)
    except OSError as e:
        if r["code"] is None: os.write(high, json.dumps(e.errno).encode())
        else: raise
        os._exit(127)


def loop():
    while True:
        message, ancillary, _, _ = control.recvmsg(ROOM, 4096)
        if not message:
            os._exit(0)
        received = array.array("i")
        for level, kind, data in ancillary:
            received.frombytes(data)
        ctypes.memmove(base, message, len(message))
        api.PyOS_BeforeFork()
        if fork_into(base):
            api.PyOS_AfterFork_Parent()
            continue
        api.PyOS_AfterFork_Child()
        control.detach()
        return


gc.freeze()
control.send(json.dumps({"base": base}).encode())
loop()
try:
    run(3)
except SystemExit as e:
    os._exit(e.code or 0)
except BaseException:
    sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(1)
