/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mkbytes.c - write the bytes of files as a C array
 *
 *	mkbytes NAME FILE... >OUT.c
 *
 * Runs at build time only.  Defines NAME, and NAME_len.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	size_t n = 0;

	if (argc < 3) {
		fputs("usage: mkbytes NAME FILE... >OUT.c\n", stderr);
		return 2;
	}
	printf("#include <stddef.h>\n"
	       "extern const unsigned char %s[];\n"
	       "extern const size_t %s_len;\n"
	       "const unsigned char %s[] = {", argv[1], argv[1], argv[1]);
	for (int i = 2; i < argc; i++) {
		FILE *in = fopen(argv[i], "rb");
		int c;

		if (!in) {
			perror(argv[i]);
			return 1;
		}
		while ((c = getc(in)) != EOF)
			printf("%s%d,", n++ % 16 ? "" : "\n", c);
		if (ferror(in) || fclose(in))
			return 1;
	}
	printf("0};\nconst size_t %s_len = %zu;\n", argv[1], n);
	return fflush(stdout) || ferror(stdout);
}
