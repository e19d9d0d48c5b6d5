/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mkbytes.c - write a file's bytes as a C array
 *
 *	mkbytes NAME FILE >OUT.c
 *
 * Runs at build time only.  Defines NAME, and NAME_len.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *in = argc == 3 ? fopen(argv[2], "rb") : NULL;
	size_t n = 0;
	int c;

	if (!in) {
		fputs("usage: mkbytes NAME FILE >OUT.c\n", stderr);
		return 2;
	}
	printf("/* made from %s */\n#include <stddef.h>\n"
	       "extern const unsigned char %s[];\n"
	       "extern const size_t %s_len;\n"
	       "const unsigned char %s[] = {", argv[2], argv[1], argv[1],
	       argv[1]);
	while ((c = getc(in)) != EOF)
		printf("%s%d,", n++ % 16 ? "" : "\n", c);
	printf("0};\nconst size_t %s_len = %zu;\n", argv[1], n);
	return ferror(in) || fflush(stdout) || ferror(stdout);
}
