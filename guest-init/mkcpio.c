/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mkcpio.c - write an initramfs archive (cpio, "newc")
 *
 *	mkcpio OUT NAME=FILE[:MODE]...
 *
 * Runs at build time only.  Each NAME becomes a regular file owned by root,
 * with the folders on its way; no times, so that the same input gives the same
 * bytes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define S_FOLDER (S_IFDIR | 0755)

static unsigned int inode;
static char last_folder[256];

static void die(const char *what)
{
	fprintf(stderr, "mkcpio: %s: %s\n", what,
		errno ? strerror(errno) : "too long");
	exit(1);
}

static void pad(FILE *out, size_t n)
{
	while (n++ % 4)
		putc(0, out);
}

/* Documentation/driver-api/early-userspace/buffer-format.rst of Linux */
static void entry(FILE *out, const char *name, unsigned int mode,
		  const void *data, size_t size)
{
	size_t len = strlen(name) + 1;

	fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		++inode, mode, 0, 0, 1, 0, (unsigned int)size, 0, 0, 0, 0,
		(unsigned int)len, 0);
	fwrite(name, 1, len, out);
	pad(out, 110 + len);
	fwrite(data, 1, size, out);
	pad(out, size);
}

/* Names come sorted by the caller: a folder is written once. */
static void folders(FILE *out, const char *name)
{
	char path[sizeof(last_folder)];

	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
		size_t len = (size_t)(p - name);

		memcpy(path, name, len);
		path[len] = '\0';
		if (strncmp(last_folder, path, len) == 0 &&
		    (last_folder[len] == '/' || last_folder[len] == '\0'))
			continue;
		entry(out, path, S_FOLDER, "", 0);
		strcpy(last_folder, path);
	}
}

static void add(FILE *out, char *spec)
{
	char *file = strchr(spec, '='), *mode, *data;
	unsigned int bits = 0644;
	struct stat st;
	FILE *in;

	errno = 0;
	if (!file || strlen(spec) >= sizeof(last_folder))
		die(spec);
	*file++ = '\0';
	mode = strrchr(file, ':');
	if (mode) {
		*mode++ = '\0';
		bits = (unsigned int)strtoul(mode, NULL, 8) & 07777;
	}
	in = fopen(file, "rb");
	if (!in || fstat(fileno(in), &st) < 0 || st.st_size > INT32_MAX)
		die(file);
	data = malloc((size_t)st.st_size + 1);
	if (!data || fread(data, 1, (size_t)st.st_size, in) != (size_t)st.st_size)
		die(file);
	folders(out, spec);
	entry(out, spec, S_IFREG | bits, data, (size_t)st.st_size);
	free(data);
	fclose(in);
}

int main(int argc, char **argv)
{
	FILE *out;

	if (argc < 3) {
		fputs("usage: mkcpio OUT NAME=FILE[:MODE]...\n", stderr);
		return 2;
	}
	out = fopen(argv[1], "wb");
	if (!out)
		die(argv[1]);
	for (int i = 2; i < argc; i++)
		add(out, argv[i]);
	entry(out, "TRAILER!!!", 0, "", 0);
	if (fflush(out) || ferror(out) || fclose(out))
		die(argv[1]);
	return 0;
}
