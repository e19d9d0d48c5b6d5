/* SPDX-License-Identifier: MIT */
/*
 * machine/inputs-libs.c - the shared libraries that our programs need
 *
 * Supervisor.  Which file a needed library is, only the program's own loader
 * knows (RUNPATH, ld.so.cache, hwcaps): it is asked with --list, as ldd(1) does.
 * Inside the machine all libraries lie in /usr/lib, where loaders look by default
 * (LD_LIBRARY_PATH names it for those that do not), and the loader where the
 * programs look for it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "machine/inputs.h"

/* PT_INTERP of an ELF file. Return: malloc'ed, NULL when it has none (static,
 * or no ELF file at all). */
static char *interpreter(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *interp = NULL;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		off_t at = (off_t)(eh.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return NULL;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz >= PATH_MAX)
			return NULL;
		interp = calloc(1, ph.p_filesz + 1);
		if (interp && pread(fd, interp, ph.p_filesz,
				    (off_t)ph.p_offset) > 1 &&
		    interp[0] == '/')
			return interp;
		free(interp);
		return NULL;
	}
	return NULL;
}

/* "	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f...)"; lines of another
 * form are the loader itself and the vDSO. */
static int add_line(struct inputs *in, char *line, const char *program,
		    struct err *err)
{
	char *arrow = strstr(line, " => "), *end, guest[NAME_MAX + 64];
	char *soname = line + strspn(line, " \t");

	if (!arrow)
		return 0;
	*arrow = '\0';
	arrow += 4;
	if (*arrow != '/')
		return err_set(err, ERR_NOT_FOUND, "%s: library %s: not found",
			       program, soname);
	end = strrchr(arrow, '(');
	if (end && end > arrow)
		end[-1] = '\0';
	/* the loader under its own name: it is added by its path */
	if (soname[0] == '/')
		return 0;
	snprintf(guest, sizeof(guest), INPUTS_LIBS "/%s", soname);
	return inputs_add(in, arrow, guest, false, err);
}

static int add_program(struct inputs *in, const char *path, struct err *err)
{
	CLEANUP_FREE char *interp = interpreter(path);
	const char *argv[] = { interp, "--list", path, NULL };
	CLEANUP_BUF struct buf list = BUF_INIT;
	char *line, *save = NULL;

	if (!interp)
		return 0;
	if (inputs_add(in, interp, interp + 1, true, err) < 0)
		return -1;
	if (inputs_run(argv, &list, err) < 0)
		return err_context(err, "libraries of %s", path);
	if (!list.len)
		return 0;
	for (line = strtok_r((char *)list.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (add_line(in, line, path, err) < 0)
			return -1;
	return 0;
}

int inputs_add_libraries(struct inputs *in, struct err *err)
{
	size_t n = in->n;

	for (size_t i = 0; i < n; i++)
		if (in->files[i].program &&
		    add_program(in, in->files[i].host, err) < 0)
			return -1;
	return 0;
}
