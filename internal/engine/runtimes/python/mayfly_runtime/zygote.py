"""A process that has loaded what every function needs, and is forked into sandboxes.

The platform decides the system calls between the fork and the function. They
come as a program, with descriptors, on a socket, and a piece of native code,
that is given, runs them: see internal/engine/sandbox/namespace/zygote.go.
"""

import ctypes
import gc
import os
import _socket

from . import blank, link, share  # noqa: F401, what a fork will be

ROOM = 1 << 20  # for programs
READ, WRITE, EXECUTE = 1, 2, 4
SHARED, PRIVATE, ANONYMOUS = 1, 2, 32


def serve(control):
    """Serve as a zygote on the descriptor control; in each fork, return the descriptor of its link."""
    sock = _socket.socket(fileno=control)
    sock.setblocking(True)
    fork, code, base = mappings(control + 1)
    share.warm()
    gc.collect()
    share.immortal()
    gc.freeze()  # so that no collection in a fork writes to what is shared
    gc.disable()
    region = (ctypes.c_char * ROOM).from_address(base)
    sock.send(b'{"base": %d}' % base)
    while True:
        size, _, _, _ = sock.recvmsg_into([region], _socket.CMSG_SPACE(4 * 253), _socket.MSG_CMSG_CLOEXEC)
        if size == 0:
            os._exit(0)
        ctypes.pythonapi.PyOS_BeforeFork()
        if fork(base) != 0:
            ctypes.pythonapi.PyOS_AfterFork_Parent()  # the program has told how it went, and closed the descriptors
            continue
        ctypes.pythonapi.PyOS_AfterFork_Child()  # random seeds itself anew, locks are made anew
        sock.detach()  # its number is the link's now
        for address, length in code, (base, ROOM):
            ctypes.pythonapi.munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))
        gc.enable()
        return control


def mappings(descriptor):
    """Map the native code, and memory for programs."""
    mmap = ctypes.pythonapi.mmap
    mmap.restype = ctypes.c_void_p
    mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    size = os.fstat(descriptor).st_size
    code = mmap(None, size, READ | EXECUTE, PRIVATE, descriptor, 0)
    base = mmap(None, ROOM, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0)
    failed = ctypes.c_void_p(-1).value
    if code == failed or base == failed:
        raise OSError("the zygote's memory cannot be mapped")
    # PYFUNCTYPE keeps the lock of the interpreter: nothing of it runs meanwhile.
    return ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(code), (code, size), base
