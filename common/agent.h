/* SPDX-License-Identifier: MIT */
/*
 * common/agent.h - the agent protocol, version 1
 *
 * Spoken over a stream (vsock inside, a Unix socket outside) between
 * podflare-init in the guest and whoever holds the stream: the runner, or the
 * client that the runner passed it to.  Frames are those of frame.h.  One
 * connection carries one operation: the first frame from the host is a
 * request, what follows depends on it.  Text values are UTF-8 bytes without
 * NUL.  Both sides ignore unknown tags and refuse unknown frame types.
 *
 *   HELLO    -> OK                     first of all after boot, restore, fork:
 *                                      entropy is mixed in and the clock is
 *                                      set before the answer; what FREEZE
 *                                      stopped goes on after it
 *   EXEC     -> STARTED, (STDOUT | STDERR | WINDOW)*, EXIT
 *               meanwhile from the host: STDIN, STDIN_EOF, SIGNAL, WINSIZE
 *   ATTACH   -> as EXEC, of a running or ended session; its kept output first
 *   CODE     -> from the host DATA* END, the code; then, when its turn has come,
 *               STARTED, (STDOUT | STDERR | WINDOW | DISPLAY)*, EXIT, and
 *               meanwhile from the host as with EXEC; see below
 *   SESSIONS -> OK with a SESSION value each
 *   PUT      -> OK (at once: send), then from the host DATA* END -> OK
 *   GET      -> DATA* END
 *   STAT     -> OK with the file's values
 *   INFO     -> OK with the guest's figures
 *   POWEROFF -> OK, then the guest syncs and powers off
 *   FREEZE   -> OK                     before a fork or a snapshot: no process
 *                                      of the user runs. They go on when the
 *                                      stream ends; when it is reset, since
 *                                      this guest is a copy now, after HELLO
 *   CHANGES  -> DATA* END              what differs from the image, see below
 *   HASH     -> OK (at once: send), then from the host DATA* END -> DATA* END
 *                                      digests of files, see below
 *   FETCH    -> as HASH                files with their contents, see below
 *   APPLY    -> as PUT                 changes of files, all or none, see below
 *
 * Instead of any answer, at any time: ERROR, and the stream ends.
 *
 * stdin has a window: the host sends no more STDIN bytes than WINDOW frames
 * have granted (the first grant follows STARTED), so that a SIGNAL never waits
 * behind input that nobody reads.  All else is held back by the stream itself.
 *
 * When the host's side of an EXEC stream goes away, the command gets SIGHUP and
 * 2 s later SIGKILL (its whole session, by its control group), unless
 * AGENT_EXEC_KEEP was set.  When the transport was reset (a copy of the guest
 * wakes up: ECONNRESET), the command runs on as if KEEP had been set.
 *
 * CODE runs code in the sandbox's one interpreter of a language, which starts
 * with the first and keeps its state from one to the next.  They are served one
 * after the other.  What the interpreter put out since the last one comes right
 * behind STARTED.  stdin: with FLAGS STDIN it is the host's; with ASK the window
 * opens when the code first reads its language's own standard input, so that
 * nobody's input is taken in vain; else it is empty.  When the host's side of the
 * stream goes away, the code is interrupted (SIGINT), unless it still waits for
 * its turn (then it is not run) or KEEP was set; in a copy of the guest it goes
 * on, and what it puts out is kept.  TIMEOUT counts from the END: SIGINT, and 2 s
 * later SIGKILL, which costs the state.  EXIT with WHY LOST: the interpreter has
 * ended, and its state is lost; the next STARTED has FRESH 2 then.
 *
 * DISPLAY: what the code shows that is not text: DISPLAY, MIME, CONTENT.  Frames
 * with the same DISPLAY and MIME go together, their contents one behind the other;
 * the MIME types of one DISPLAY are the same thing in several forms.
 *
 * DATA of CHANGES: a record for each path, sorted by path as bytes; a record is
 * le32 its length and then TLVs: PATH (absolute), CHANGE, and unless it is
 * deleted MODE, UID, GID, MTIME, CTIME, INO, NLINK, SIZE of a regular file, RDEV
 * of a device, LINK of a symbolic link; for what is in the image too, OLD_MODE,
 * OLD_UID, OLD_GID, OLD_SIZE, OLD_LINK.  A path that is as in the image is left
 * out (a folder that was copied up, a file rewritten with the same bytes).
 * MAPPED: some process has the file mapped shared and writable, so it can change
 * without its CTIME.
 * PATH in the request, repeated: only these and what is below.  ALL in it: all
 * of the file system, not only what differs (CHANGE is 0 then).  Left out are
 * /proc, /sys, /dev, /run and what is below any other mount point.  A path of
 * 4096 bytes or more is an error (ERR_LIMIT).
 *
 * HASH and FETCH: the host sends a record with PATH for each file (in FETCH also
 * IMAGE: as the image has it).  The answer has a record for each, in order, with
 * PATH and ERRNO; or, of HASH, DIGEST (SHA-256 of a regular file's content); or,
 * of FETCH, what CHANGES tells of a file, and behind the record of a regular
 * file its content: extents, each le64 offset, le64 length (not 0), bytes; in
 * order, what lies between them is zeros; le64 size, le64 0 ends them.  The
 * answer begins when all paths are there, 64 MiB at most.  A symbolic link on the
 * way of a path is not followed.
 *
 * APPLY: the host sends records sorted by path, as of CHANGES: PATH, CHANGE and,
 * unless it is deleted, the new MODE, UID, GID, MTIME, LINK, RDEV.  META alone
 * changes what is there, all else puts a new object in its place; behind the
 * record of a regular file with ADDED, CONTENT or TYPE its content follows as in
 * FETCH, unless it has HARDLINK (a path of an earlier record).  What must be
 * there now: nothing (ADDED), or what OLD_INO and OLD_CTIME tell, or (IMAGE) what
 * the image has.  When one of them is not as expected the error's code is
 * ERR_BUSY.  On any error nothing has changed.
 */
#ifndef PODFLARE_COMMON_AGENT_H
#define PODFLARE_COMMON_AGENT_H

#define AGENT_PROTOCOL 1
#define AGENT_VSOCK_PORT 1024	/* the agent listens here */
#define AGENT_READY_PORT 1024	/* it connects to this port of the host (CID 2)
				 * once it listens; the host resets that
				 * connection: it is a signal, not a channel */
#define AGENT_GUEST_CID 3

enum agent_frame {
	/* requests */
	AGENT_HELLO = 1,
	AGENT_EXEC = 2,
	AGENT_ATTACH = 3,
	AGENT_SESSIONS = 4,
	AGENT_PUT = 5,
	AGENT_GET = 6,
	AGENT_STAT = 7,
	AGENT_INFO = 8,
	AGENT_POWEROFF = 9,
	AGENT_FREEZE = 10,
	AGENT_CHANGES = 11,
	AGENT_HASH = 12,
	AGENT_FETCH = 13,
	AGENT_APPLY = 14,
	AGENT_CODE = 15,
	/* answers */
	AGENT_OK = 32,
	AGENT_ERROR = 33,
	AGENT_STARTED = 34,
	AGENT_EXIT = 35,
	/* streams */
	AGENT_STDIN = 64,	/* bytes */
	AGENT_STDIN_EOF = 65,	/* empty */
	AGENT_SIGNAL = 66,	/* le32 signal number */
	AGENT_WINSIZE = 67,	/* le16 rows, le16 columns */
	AGENT_STDOUT = 68,	/* bytes; of a tty: everything */
	AGENT_STDERR = 69,	/* bytes */
	AGENT_WINDOW = 70,	/* le32 more bytes of STDIN may be sent */
	AGENT_DATA = 71,	/* bytes of a tar stream */
	AGENT_END = 72,		/* empty: the tar stream is complete */
	AGENT_DISPLAY = 73,	/* values, see above */
};

enum agent_tag {
	/* HELLO and its OK */
	AGENT_T_PROTOCOL = 1,	/* u32 */
	AGENT_T_ENTROPY = 2,	/* 64 bytes from the host's getrandom(2) */
	AGENT_T_REALTIME = 3,	/* u64 ns since the epoch */
	AGENT_T_HOSTNAME = 4,	/* text */
	AGENT_T_VERSION = 5,	/* text, of podflare */
	AGENT_T_COPY = 6,	/* u32 1: HELLO to a fork or a restored snapshot
				 * that is another machine now: machine-id and
				 * whatever else must be its own is renewed */
	AGENT_T_FROZEN = 7,	/* u32, OK of FREEZE: 1 all stopped, 0 some did
				 * not within 100 ms (in the kernel, on I/O);
				 * HELLO: 1 what FREEZE stopped stays so, in a
				 * copy that is only looked at */
	/* EXEC, ATTACH, STARTED */
	AGENT_T_ARG = 16,	/* text, repeated; the first is the program;
				 * none at all: the user's login shell */
	AGENT_T_ENV = 17,	/* "K=V", repeated, over the image's and the
				 * base (PATH, HOME, USER, SHELL, TERM, LANG) */
	AGENT_T_CWD = 18,	/* text; absent: the user's home or / */
	AGENT_T_USER = 19,	/* "name", "uid", "name:group", "uid:gid"; also
				 * of PUT, GET and STAT, with his rights */
	AGENT_T_FLAGS = 20,	/* u32, AGENT_EXEC_* */
	AGENT_T_ROWS = 21,	/* u32 */
	AGENT_T_COLS = 22,	/* u32 */
	AGENT_T_TIMEOUT = 23,	/* u32 ms; SIGTERM, 2 s later SIGKILL */
	AGENT_T_SESSION = 24,	/* u32 id; in a SESSIONS answer it begins the
				 * next session's values */
	AGENT_T_PID = 25,	/* u32, in the guest */
	/* EXIT, SESSIONS */
	AGENT_T_STATUS = 32,	/* u32 exit code 0-255; absent while running */
	AGENT_T_SIGNALED = 33,	/* u32 signal that ended it */
	AGENT_T_WHY = 34,	/* u32, AGENT_WHY_* */
	/* ERROR; EXIT has ERRNO and MESSAGE when the program was not run */
	AGENT_T_CODE = 40,	/* u32 enum err_code (err.h) */
	AGENT_T_ERRNO = 41,	/* u32 */
	AGENT_T_MESSAGE = 42,	/* text */
	/* PUT, GET, STAT */
	AGENT_T_PATH = 48,	/* text, absolute (else below the user's home) */
	AGENT_T_NAME = 49,	/* GET: text, name of the archive's first entry
				 * (absent: the last part of PATH); CODE: what
				 * messages call the code */
	AGENT_T_MODE = 50,	/* u32 st_mode */
	AGENT_T_SIZE = 51,	/* u64 */
	AGENT_T_UID = 52,	/* u32 */
	AGENT_T_GID = 53,	/* u32 */
	AGENT_T_MTIME = 54,	/* u64 ns */
	AGENT_T_LINK = 55,	/* text, target */
	AGENT_T_FOLLOW = 56,	/* u32 1: follow a symbolic link at the end */
	AGENT_T_IMAGE = 57,	/* GET, FETCH, APPLY: u32 1: as the image has it */
	AGENT_T_CHANGE = 58,	/* u32, AGENT_CHANGE_* */
	AGENT_T_CTIME = 59,	/* u64 ns */
	AGENT_T_INO = 80,	/* u64, of the disk's file system; 0: the file
				 * is the image's own (renamed, or with ALL) */
	AGENT_T_NLINK = 81,	/* u32 */
	AGENT_T_RDEV = 82,	/* u64 */
	AGENT_T_OLD_MODE = 83, AGENT_T_OLD_UID = 84, AGENT_T_OLD_GID = 85,
	AGENT_T_OLD_SIZE = 86, AGENT_T_OLD_LINK = 87,	/* as above */
	AGENT_T_DIGEST = 88,	/* 32 bytes */
	AGENT_T_OLD_INO = 90, AGENT_T_OLD_CTIME = 91,	/* as INO, CTIME */
	AGENT_T_HARDLINK = 92,	/* text */
	AGENT_T_ALL = 89,	/* u32 1: CHANGES of everything */
	AGENT_T_MAPPED = 93,	/* u32 1 */
	/* CODE, its STARTED, DISPLAY; ENV of CODE is the sandbox's, which lasts */
	AGENT_T_LANG = 96,	/* text: "python" */
	AGENT_T_CALL_ENV = 97,	/* "K=V", repeated: for this code alone */
	AGENT_T_FRESH = 98,	/* u32 1: this interpreter is new, 2: and what the
				 * one before it held is lost */
	AGENT_T_DISPLAY = 99,	/* u32, counts in a CODE */
	AGENT_T_MIME = 100,	/* text */
	AGENT_T_CONTENT = 101,	/* bytes */
	/* INFO */
	AGENT_T_MEM_TOTAL = 64,	/* u64 bytes */
	AGENT_T_MEM_FREE = 65,	/* u64 bytes available */
	AGENT_T_DISK_TOTAL = 66,/* u64 bytes of / */
	AGENT_T_DISK_FREE = 67,	/* u64 */
	AGENT_T_PROCS = 68,	/* u32 user processes */
	AGENT_T_PROCS_MAX = 69,	/* u32 */
	AGENT_T_OOM_KILLS = 70,	/* u64 since boot */
	AGENT_T_FORK_FAILS = 71,/* u64 forks refused by the process limit */
	AGENT_T_LOAD = 72,	/* text, /proc/loadavg */
	AGENT_T_KERNEL = 73,	/* text, uname -r */
};

enum agent_exec_flags {
	AGENT_EXEC_TTY = 1,	/* a pty; stdout and stderr are one */
	AGENT_EXEC_STDIN = 2,	/* STDIN frames follow; else /dev/null */
	AGENT_EXEC_KEEP = 4,	/* outlives the stream, see ATTACH */
	AGENT_CODE_ASK = 8,	/* CODE: STDIN frames when they are asked for */
	AGENT_CODE_WARM = 16,	/* CODE: leaves no names behind; what it has loaded
				 * stays loaded */
	AGENT_CODE_RESTART = 32,/* CODE: in a new interpreter */
	AGENT_CODE_DISPLAY = 64,/* CODE: DISPLAY is wanted */
};

enum agent_change {
	AGENT_CHANGE_ADDED = 1,
	AGENT_CHANGE_DELETED = 2,
	AGENT_CHANGE_CONTENT = 4,	/* of a file, a link, a device */
	AGENT_CHANGE_META = 8,	/* mode or owner */
	AGENT_CHANGE_TYPE = 16,
};

/* What else the host should tell the user about an ended command. */
enum agent_why {
	AGENT_WHY_TIMEOUT = 1,
	AGENT_WHY_OOM = 2,	/* the kernel killed something for memory */
	AGENT_WHY_DISK_FULL = 4,/* the disk is full now */
	AGENT_WHY_PIDS = 8,	/* the process limit was hit meanwhile */
	AGENT_WHY_NOT_FOUND = 16,	/* no such program: 127 */
	AGENT_WHY_NOT_EXECUTABLE = 32,	/* 126 */
	AGENT_WHY_LOST = 64,	/* CODE: the interpreter has ended */
};

#define AGENT_STDIN_WINDOW (256 * 1024)	/* bytes granted at the start */
#define AGENT_KEPT_OUTPUT (1024 * 1024)	/* bytes kept of a KEEP session */
#define AGENT_CODE_MAX (16 * 1024 * 1024)	/* bytes of code */

#endif
