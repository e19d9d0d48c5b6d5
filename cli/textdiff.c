/* SPDX-License-Identifier: MIT */
/*
 * cli/textdiff.c - line by line, the side that asks
 *
 * Runs in the CLI.  Distrusts the program as far as it deals with a guest's
 * texts: it may crash, its answer is bounded.
 */
#include "cli/textdiff.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "common/proc.h"

/* See textdiff.h. */
void textdiff_close(struct textdiff *t)
{
	if (t->pid <= 0)
		return;
	close(t->in);
	close(t->out);
	/* it ends by itself, unless it is in the middle of something */
	kill(t->pid, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(t->pid, NULL, 0));
	*t = (struct textdiff){ 0 };
}

static int start(struct textdiff *t, struct err *err)
{
	CLEANUP_FREE char *program = path_program("podflare-textdiff", err);
	const char *const argv[] = { program, NULL };
	struct proc_spawn s = { .argv = argv,
				.nfds = 3,
				.new_session = true,
				.die_with_parent = true };
	int in[2], out[2];

	if (!program)
		return -1;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return err_sys(err, errno, "pipe");
	}
	s.fds[0] = in[0];
	s.fds[1] = out[1];
	s.fds[2] = STDERR_FILENO;
	t->pid = proc_spawn(&s, NULL, err);
	close(in[0]);
	close(out[1]);
	t->in = in[1];
	t->out = out[0];
	if (t->pid > 0)
		return 0;
	close(t->in);
	close(t->out);
	t->pid = 0;
	return -1;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, p, len));

		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, p, len));

		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int converse(struct textdiff *t, const struct textdiff_request *rq,
		    const struct text *texts, struct textdiff_reply *reply)
{
	struct textdiff_answer a;

	if (write_all(t->in, rq, sizeof(*rq)) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (write_all(t->in, texts[i].data, rq->len[i]) < 0)
			return -1;
	if (read_all(t->out, &a, sizeof(a)) < 0 || a.magic != TEXTDIFF_MAGIC ||
	    a.len > TEXTDIFF_ANSWER_MAX || a.result > TEXTDIFF_FAILED)
		return -1;
	reply->data = malloc(a.len + 1);
	if (!reply->data || read_all(t->out, reply->data, a.len) < 0)
		return -1;
	reply->data[a.len] = '\0';
	reply->len = a.len;
	reply->result = a.result;
	reply->added = a.added;
	reply->removed = a.removed;
	return 0;
}

/* See textdiff.h. */
int textdiff_ask(struct textdiff *t, enum textdiff_op op, uint32_t arg,
		 const struct text *texts, struct textdiff_reply *reply,
		 struct err *err)
{
	struct textdiff_request rq = { .magic = TEXTDIFF_MAGIC,
				       .op = op,
				       .arg = arg };
	struct text v[3] = { texts[0], texts[1] };

	if (op == TEXTDIFF_MERGE)
		v[2] = texts[2];
	for (int i = 0; i < 3; i++) {
		rq.len[i] = v[i].len;
		BUG_ON(v[i].len > TEXTDIFF_TEXT_MAX);
	}
	*reply = (struct textdiff_reply){ .result = TEXTDIFF_FAILED };
	if (t->pid <= 0 && start(t, err) < 0)
		return -1;
	if (converse(t, &rq, v, reply) == 0 && reply->result == TEXTDIFF_OK)
		return 0;
	free(reply->data);
	reply->data = NULL;
	/* after CONFLICT it goes on; else the next one gets a fresh one */
	if (reply->result != TEXTDIFF_CONFLICT)
		textdiff_close(t);
	return 0;
}
