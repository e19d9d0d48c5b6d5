/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/work.c - what is measured: commands, transfers
 *
 * Runs in podflare-bench, one thread, blocking.
 */
#include "tests/bench/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/loop.h"
#include "common/proc.h"
#include "common/tlv.h"

#define BLOCK 512
#define OUTPUT_MAX (64 * 1024)

static int stream_open(struct globals *g, const char *method, json_t *params,
		       struct stream *s, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;

	if (client_open(&c, g, err) < 0) {
		json_decref(params);
		return -1;
	}
	return client_stream(&c, method, params, s, err);
}

/* The next frame. An ERROR frame and an end are errors. */
static int next(struct stream *s, struct frame *f, struct err *err)
{
	int rc = frame_read(&s->in, s->fd, f);

	if (rc < 0)
		return err_sys(err, errno, "stream");
	if (rc == 0)
		return err_set(err, ERR_PROTOCOL, "stream: ended early");
	if (f->type == AGENT_ERROR)
		return err_set(err, ERR_GUEST, "the guest refused");
	return 0;
}

/* Of the first value with that tag. */
static uint32_t value_of(const struct frame *f, uint16_t tag, uint32_t absent)
{
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) == 1)
		if (t.tag == tag)
			return tlv_u32(&t);
	return absent;
}

int work_exec_start(struct globals *g, const char *sandbox,
		    const char *const *argv, struct stream *s, struct err *err)
{
	json_t *cmd = json_array();

	for (; *argv; argv++)
		json_array_append_new(cmd, json_string(*argv));
	return stream_open(g, "exec.start", json_pack(
		"{s:s, s:o}", "sandbox", sandbox, "cmd", cmd), s, err);
}

int work_exec_wait(struct stream *s, struct buf *out, struct err *err)
{
	struct frame f;

	for (;;) {
		if (next(s, &f, err) < 0)
			return -1;
		if (f.type == AGENT_EXIT)
			return (int)value_of(&f, AGENT_T_STATUS, 255);
		if (out && f.type == AGENT_STDOUT && out->len < OUTPUT_MAX)
			buf_append(out, f.data, f.len);
	}
}

int work_exec(struct globals *g, const char *sandbox, const char *const *argv,
	      struct buf *out, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;

	if (work_exec_start(g, sandbox, argv, &s, err) < 0)
		return -1;
	return work_exec_wait(&s, out, err);
}

int work_eval(struct globals *g, const char *sandbox, const char *code,
	      struct buf *out, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (stream_open(g, "code.run", json_pack("{s:s}", "sandbox", sandbox),
			&s, err) < 0)
		return -1;
	if (frame_put(&b, AGENT_DATA, code, strlen(code)) < 0 ||
	    frame_put(&b, AGENT_END, NULL, 0) < 0 ||
	    write(s.fd, b.data, b.len) != (ssize_t)b.len)
		return err_sys(err, errno, "stream");
	return work_exec_wait(&s, out, err);
}

uint32_t work_python(struct globals *g, const char *sandbox, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	struct frame f;

	if (stream_open(g, "exec.start", json_pack(
		"{s:s, s:[s, s, s, s], s:b, s:b}", "sandbox", sandbox, "cmd",
		"python3", "-u", "-c", "import sys\n"
		"for line in sys.stdin: print(eval(line))\n", "stdin", 1,
		"keep", 1), &s, err) < 0 || next(&s, &f, err) < 0)
		return 0;
	return value_of(&f, AGENT_T_SESSION, 0);
}

int work_line_start(struct globals *g, const char *sandbox, uint32_t session,
		    unsigned int number, struct stream *s, struct err *err)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%u + 1\n", number);
	struct frame f;

	if (stream_open(g, "exec.attach", json_pack(
		"{s:s, s:I}", "sandbox", sandbox, "session",
		(json_int_t)session), s, err) < 0)
		return -1;
	do {
		if (next(s, &f, err) < 0)
			return -1;
	} while (f.type != AGENT_WINDOW);
	if (frame_write(s->fd, AGENT_STDIN, line, (size_t)len) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

int work_line_wait(struct stream *s, unsigned int number, struct err *err)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char want[32];
	struct frame f;

	snprintf(want, sizeof(want), "%u\n", number + 1);
	do {
		if (next(s, &f, err) < 0)
			return -1;
		if (f.type == AGENT_EXIT)
			return err_set(err, ERR_GUEST, "the Python has ended");
		if (f.type == AGENT_STDOUT)
			buf_append(&out, f.data, f.len);
	} while (!strstr(buf_str(&out), want));
	return 0;
}

int work_python_line(struct globals *g, const char *sandbox, uint32_t session,
		     unsigned int number, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;

	if (work_line_start(g, sandbox, session, number, &s, err) < 0)
		return -1;
	return work_line_wait(&s, number, err);
}

int work_run(const char *const *argv, struct err *err)
{
	struct proc_spawn s = { .argv = argv, .fds = { -1, -1, 2 }, .nfds = 3 };
	pid_t pid = proc_spawn(&s, NULL, err);
	int status;

	if (pid < 0)
		return -1;
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(err, errno, "%s", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* A ustar header of a plain file. */
static void tar_header(char block[BLOCK], const char *name, size_t size)
{
	unsigned int sum = 0;

	memset(block, 0, BLOCK);
	snprintf(block, 100, "%s", name);
	memcpy(block + 100, "0000644\0" "0000000\0" "0000000\0", 24);
	snprintf(block + 124, 12, "%011zo", size);
	memcpy(block + 136, "00000000000", 12);
	memset(block + 148, ' ', 8);
	block[156] = '0';
	memcpy(block + 257, "ustar\0" "00", 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
}

static int send_data(struct stream *s, const void *data, size_t len,
		     struct err *err)
{
	if (frame_write(s->fd, AGENT_DATA, data, len) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

/* Bytes that no layer can make smaller. */
static void fill(uint8_t *data, size_t len, uint64_t *state)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(data + i, state, 8);
	}
}

uint64_t work_put(struct globals *g, const char *sandbox, size_t size,
		  struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	static uint8_t data[FRAME_DATA_MAX];
	uint64_t start = now_ns(), state = 1;
	char block[2 * BLOCK] = "";
	struct frame f;

	if (stream_open(g, "files.put",
			json_pack("{s:s, s:s}", "sandbox", sandbox, "path",
				  "/root/bench"), &s, err) < 0 ||
	    next(&s, &f, err) < 0)
		return 0;
	tar_header(block, "put", size);
	if (send_data(&s, block, BLOCK, err) < 0)
		return 0;
	for (size_t sent = 0; sent < size; sent += sizeof(data)) {
		fill(data, sizeof(data), &state);
		if (send_data(&s, data, MIN(sizeof(data), size - sent), err) < 0)
			return 0;
	}
	memset(block, 0, sizeof(block));
	if (send_data(&s, block, sizeof(block), err) < 0)
		return 0;
	if (frame_write(s.fd, AGENT_END, NULL, 0) < 0) {
		err_sys(err, errno, "stream");
		return 0;
	}
	if (next(&s, &f, err) < 0)
		return 0;
	return now_ns() - start;
}

uint64_t work_get(struct globals *g, const char *sandbox, size_t size,
		  struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	uint64_t start = now_ns();
	size_t got = 0;
	struct frame f;

	if (stream_open(g, "files.get",
			json_pack("{s:s, s:s}", "sandbox", sandbox, "path",
				  "/root/bench/put"), &s, err) < 0)
		return 0;
	do {
		if (next(&s, &f, err) < 0)
			return 0;
		if (f.type == AGENT_DATA)
			got += f.len;
	} while (f.type != AGENT_END);
	if (got < size) {
		err_set(err, ERR_PROTOCOL, "got %zu of %zu bytes", got, size);
		return 0;
	}
	return now_ns() - start;
}

int work_host_disk(const char *dir, size_t size, uint64_t *write_ns,
		   uint64_t *read_ns, struct err *err)
{
	size_t chunk = 1 << 20;
	uint64_t state = 1, start;
	CLEANUP_FD int fd = -1;
	CLEANUP_FD int rfd = -1;
	uint8_t *data = mmap(NULL, chunk, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[32];
	ssize_t n = 0;

	if (data == MAP_FAILED)
		return err_sys(err, errno, "mmap");
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s", dir);
	start = now_ns();
	for (size_t done = 0; done < size && n >= 0; done += chunk) {
		fill(data, chunk, &state);
		n = write(fd, data, chunk);
	}
	if (n < 0 || fsync(fd) < 0)
		return err_sys(err, errno, "%s", dir);
	*write_ns = now_ns() - start;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rfd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (rfd < 0)
		rfd = open(path, O_RDONLY | O_CLOEXEC);
	start = now_ns();
	while (rfd >= 0 && (n = read(rfd, data, chunk)) > 0)
		;
	*read_ns = now_ns() - start;
	munmap(data, chunk);
	if (rfd < 0 || n < 0)
		return err_sys(err, errno, "%s", dir);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static json_t *ms(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1000.0);
}

json_t *work_spread(uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "n", (int)n, "min",
			 ms(ns[0]), "p50", ms(ns[n / 2]), "p95",
			 ms(ns[n * 95 / 100]), "max", ms(ns[n - 1]));
}
