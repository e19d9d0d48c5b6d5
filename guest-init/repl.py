# SPDX-License-Identifier: MIT
# guest-init/repl.py - the Python end of `eval`: runs code, keeps its state
#
# podflare-init hands this to the image's python3 (3.7 or later) by a descriptor;
# nothing of it lies in the image.  It runs in a namespace of its own, so that
# __main__ is the user's alone.
#
# Theory of operation: the first argument is the number of a SOCK_SEQPACKET socket
# to podflare-init, on which a message is a letter and what it says.
#
#	from init	B begin: le32 number, le32 flags, and a descriptor: stdin
#			S, E    "K=V" of the sandbox, of this code alone
#			N       what to call the code
#			C       a piece of it
#			R       run it
#	to init		r       ready
#			w       le32 number: the code reads its standard input
#			D       le32 number, values of common/agent.h: a DISPLAY
#			d       le32 number, exit code: done, all is written
#
# Standard output and error are pipes, which init reads all the time.  While code
# runs, SIGINT does what the user's code wants of it, else nothing.  RESEED comes
# when this machine has become a copy of another one.
import ast
import builtins
import fcntl
import gc
import io
import linecache
import os
import signal
import sys
import traceback

import _socket

MESSAGE_MAX = 65536
STDIN, ASK, WARM, DISPLAY, COPIED = 2, 8, 16, 64, 256	# of B; agent.h, repl.h
RESEED = 62
SOURCES_MAX = 32 << 20	# bytes of source kept for tracebacks
COROUTINE = 0x80


def take_control():
    """The socket, where it is in nobody's way."""
    given = int(sys.argv[1])
    try:
        fd = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, 1000)
    except OSError:
        fd = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(given)
    return _socket.socket(fileno=fd)


class Bytes(io.BufferedWriter):
    """Written at once, and whole, also when a signal comes in between."""

    def write(self, data):
        n = super().write(data)
        self.flush()
        return n


class Input(io.RawIOBase):
    """sys.stdin's bytes; asks for them when they are read first."""

    def __init__(self):
        self.fd = 0
        self.ask = None
        self.name = "<stdin>"
        self.mode = "rb"

    def readable(self):
        return True

    def fileno(self):
        return 0

    def readinto(self, data):
        if self.ask:
            ask, self.ask = self.ask, None
            ask()
        got = os.read(self.fd, len(data))
        data[:len(got)] = got
        return len(got)


class Call:
    def __init__(self, number, flags, stdin):
        self.number = number
        self.flags = flags
        self.stdin = stdin
        self.env = []
        self.name = None
        self.code = []


class Driver:
    def __init__(self):
        self.pid = os.getpid()
        self.control = take_control()
        self.main = sys.modules["__main__"]
        self.user_int = signal.default_int_handler
        self.future = 0
        self.loop = None
        self.sources = {}
        self.sources_size = 0
        self.applied = {}
        self.null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.reseed_later = False
        # PyCF_ALLOW_TOP_LEVEL_AWAIT, of 3.8
        self.compile_flags = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)
        self.future_mask = 0
        import __future__
        for feature in __future__.all_feature_names:
            self.future_mask |= getattr(__future__, feature).compiler_flag

    # --- the machinery around it

    def start(self):
        for name in list(vars(self.main)):
            if not (name.startswith("__") and name.endswith("__")):
                del vars(self.main)[name]
        sys.argv[:] = [""]
        signal.signal(signal.SIGINT, self.on_idle_int)
        signal.signal(RESEED, self.on_reseed)
        sys.stdout = sys.__stdout__ = self.open_output(1, sys.stdout)
        sys.stderr = sys.__stderr__ = self.open_output(2, sys.stderr)
        self.stdin = None
        self.new_stdin()
        self.displays = Displays(self.send_display)
        sys.displayhook = sys.__displayhook__ = self.on_value
        builtins.display = self.displays.display
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.in_child)
        self.send(b"r")

    @staticmethod
    def open_output(fd, old):
        raw = io.FileIO(fd, "w", closefd=False)
        raw.name = "<stdout>" if fd == 1 else "<stderr>"
        return io.TextIOWrapper(Bytes(raw), encoding=old.encoding,
                                errors=old.errors, newline="\n",
                                write_through=True)

    def renew_outputs(self):
        """What a call has closed is there for the next."""
        for fd, name in ((1, "stdout"), (2, "stderr")):
            if getattr(getattr(sys, name), "closed", False):
                old = getattr(sys, "__%s__" % name)
                if old.closed:
                    old = self.open_output(fd, old)
                    setattr(sys, "__%s__" % name, old)
                setattr(sys, name, old)

    def in_child(self):
        self.control.close()

    def is_child(self):
        return os.getpid() != self.pid

    def send(self, message, *more):
        try:
            self.control.send(b"".join((message,) + more))
        except OSError:
            if not self.is_child():
                os._exit(125)

    def send_display(self, values):
        if not self.is_child():
            self.send(b"D", self.number.to_bytes(4, "little"), values)

    def on_value(self, value, print_value=sys.displayhook):
        print_value(value)
        self.displays.show(value)

    def receive(self):
        """The next call; None when init has gone."""
        call = None
        while True:
            data, extra, _, _ = self.control.recvmsg(
                MESSAGE_MAX + 1, _socket.CMSG_SPACE(4))
            kind, rest = data[:1], data[1:]
            if kind == b"B":
                fd = int.from_bytes(extra[0][2][:4], sys.byteorder) \
                    if extra else None
                call = Call(int.from_bytes(rest[:4], "little"),
                            int.from_bytes(rest[4:8], "little"), fd)
            elif kind == b"C":
                call.code.append(rest)
            elif kind == b"S":
                self.apply(rest)
            elif kind == b"E":
                call.env.append(rest)
            elif kind == b"N":
                call.name = os.fsdecode(rest)
            elif kind == b"R":
                return call
            elif not kind:
                return None

    def on_idle_int(self, number, frame):
        pass

    def on_reseed(self, number, frame):
        self.reseed()

    def reseed(self):
        """New random numbers, for whatever has some of its own."""
        self.reseed_later = False
        modules = sys.modules
        try:
            if "random" in modules:
                modules["random"].seed()
        except Exception:
            pass
        try:
            if "_ssl" in modules:
                modules["_ssl"].RAND_add(os.urandom(48), 48.0)
        except Exception:
            pass
        try:
            mtrand = modules.get("numpy.random.mtrand")
            if mtrand is not None:
                # whoever was interrupted may be in there
                lock = mtrand._rand._bit_generator.lock
                if lock.acquire(False):
                    lock.release()
                    mtrand.seed()
                else:
                    self.reseed_later = True
        except Exception:
            pass
        try:
            if "torch" in modules:
                modules["torch"].seed()
        except Exception:
            pass

    def new_stdin(self):
        mine = self.stdin is None or sys.stdin is self.stdin or \
            getattr(sys.stdin, "closed", True)
        self.input = Input()
        self.stdin = io.TextIOWrapper(io.BufferedReader(self.input),
                                      encoding=sys.__stdin__.encoding,
                                      errors=sys.__stdin__.errors)
        if mine:
            sys.stdin = self.stdin

    def open_stdin(self, call):
        if call.stdin is None:
            if self.stdin.closed:
                self.new_stdin()
            return
        self.new_stdin()
        if call.flags & STDIN:
            os.dup2(call.stdin, 0)
            os.close(call.stdin)
            return
        self.input.fd = call.stdin
        number = call.number.to_bytes(4, "little")
        self.input.ask = lambda: self.is_child() or self.send(b"w", number)

    def close_stdin(self, call):
        if call.stdin is None:
            return
        if call.flags & STDIN:
            os.dup2(self.null, 0)
        else:
            os.close(call.stdin)
        self.new_stdin()

    def apply(self, text):
        """A variable of the sandbox: only when it is another one now, so that
        what the code has made of it stays."""
        key, _, value = text.partition(b"=")
        if self.applied.get(key) != value:
            self.applied[key] = value
            self.put_env(key, value)

    @staticmethod
    def put_env(key, value):
        old = os.environb.get(key)
        if value is None:
            os.environb.pop(key, None)
        else:
            os.environb[key] = value
        if key == b"TZ":
            import time
            time.tzset()
        return old

    # --- code

    def remember(self, name, text):
        """For tracebacks, inspect and pdb."""
        if not text.endswith("\n"):
            text += "\n"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        self.sources_size += len(text) - self.sources.pop(name, 0)
        self.sources[name] = len(text)
        while self.sources_size > SOURCES_MAX and len(self.sources) > 1:
            oldest = next(iter(self.sources))
            self.sources_size -= self.sources.pop(oldest)
            linecache.cache.pop(oldest, None)

    def compile(self, call, source):
        """What comes before the last expression, and that expression."""
        flags = self.compile_flags | self.future
        tree = compile(source, call.name, "exec",
                       flags | ast.PyCF_ONLY_AST, True)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and \
                not call.flags & WARM:
            last = ast.Interactive([tree.body.pop()])
        codes = []
        if tree.body:
            codes.append(compile(tree, call.name, "exec", flags, True))
            flags |= codes[0].co_flags & self.future_mask
        if last:
            codes.append(compile(last, call.name, "single", flags, True))
        self.future = flags & self.future_mask
        return codes

    def execute(self, call):
        source = b"".join(call.code)
        self.remember(call.name, source.decode("utf-8", "replace"))
        space = vars(self.main)
        if call.flags & WARM:
            space = {"__name__": "__main__", "__builtins__": builtins}
        codes = self.compile(call, source)
        if any(code.co_flags & COROUTINE for code in codes):
            self.wait_for(self.run_async(codes, space))
            return
        for code in codes:
            exec(code, space)

    @staticmethod
    async def run_async(codes, space):
        for code in codes:
            result = eval(code, space)
            if code.co_flags & COROUTINE:
                await result

    def wait_for(self, coroutine):
        """Top-level await: all of them on one loop."""
        import asyncio
        if self.loop is None or self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        task = self.loop.create_task(coroutine)
        try:
            self.loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            if not task.done():
                task.cancel()
                try:
                    self.loop.run_until_complete(task)
                except asyncio.CancelledError:
                    pass
            raise
        finally:
            if task.done() and not task.cancelled():
                task.exception()	# that it was raised is known

    def show(self, error, call):
        """The traceback as the user's own: from his first frame on."""
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != call.name:
            trace = trace.tb_next
        kind = type(error)
        if isinstance(error, SyntaxError) and error.text is None and \
                error.filename == call.name:
            error.text = linecache.getline(call.name, error.lineno or 0)
        sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
        sys.last_exc = error
        try:
            if sys.excepthook is not sys.__excepthook__:
                sys.excepthook(kind, error.with_traceback(trace), trace)
            else:
                sys.stderr.write("".join(
                    traceback.format_exception(kind, error, trace)))
        except Exception:
            try:
                os.write(2, ("%s\n" % kind.__name__).encode())
            except OSError:
                pass

    @staticmethod
    def exit_code(error):
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code & 0xff
        print(error.code, file=sys.stderr)
        return 1

    @staticmethod
    def flush():
        for f in (sys.stdout, sys.stderr):
            try:
                f.flush()
            except (AttributeError, OSError, ValueError):
                pass

    def attempt(self, call):
        """Return: the exit code, whatever the code raises."""
        status = 0
        try:
            self.let_interrupt()
            try:
                self.execute(call)
                self.displays.show_figures()
            except SystemExit as e:
                status = self.exit_code(e)
            except KeyboardInterrupt as e:
                status = 130
                self.show(e, call)
            except BaseException as e:
                status = 1
                self.show(e, call)
            self.flush()
        except KeyboardInterrupt:
            status = 130
        return status

    def let_interrupt(self):
        if signal.getsignal(signal.SIGINT) == self.on_idle_int:
            signal.signal(signal.SIGINT, self.user_int)

    def stop_interrupt(self):
        now = signal.getsignal(signal.SIGINT)
        if now is not None and now != self.on_idle_int:
            self.user_int = now
            signal.signal(signal.SIGINT, self.on_idle_int)

    def shielded(self, call):
        """attempt(), and no interrupt gets out of it."""
        status = None
        while True:
            try:
                if status is None:
                    status = self.attempt(call)
                self.stop_interrupt()
                return status
            except KeyboardInterrupt:
                status = 130

    def run(self, call):
        """Return: the exit code of a child that the code has forked, or None."""
        if call.name is None:
            call.name = "<eval %d>" % call.number
        saved = []
        for text in call.env:
            key, _, value = text.partition(b"=")
            saved.append((key, self.put_env(key, value), value))
        if call.flags & COPIED or self.reseed_later:
            self.reseed()
        self.number = call.number
        self.displays.begin(bool(call.flags & DISPLAY))
        self.renew_outputs()
        self.open_stdin(call)
        status = self.shielded(call)
        if self.is_child():
            return status
        self.close_stdin(call)
        for key, old, value in reversed(saved):
            if os.environb.get(key) == value:
                self.put_env(key, old)
        if call.flags & WARM:
            # copies of this machine share what is not counted again
            gc.collect()
            gc.freeze()
        if self.reseed_later:
            self.reseed()
        self.send(b"d", call.number.to_bytes(4, "little"), bytes([status]))
        return None

    def serve(self):
        while True:
            call = self.receive()
            if call is None:
                return 0
            status = self.run(call)
            if status is not None:
                return status


def begin():
    if sys.version_info < (3, 7):
        sys.stderr.write("eval needs Python 3.7 or later\n")
        return 1
    driver = Driver()
    driver.start()
    return driver.serve()


sys.exit(begin())
