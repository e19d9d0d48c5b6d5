/* SPDX-License-Identifier: MIT */
/* examples/hello-c/main.c - say how much came on standard input */
#include <stdio.h>
#include <string.h>

#include "words.h"

int main(void)
{
	static char text[65536];
	size_t len = fread(text, 1, sizeof(text), stdin);

	if (len > 0 && text[len - 1] == '\n')
		len--;
	printf("%zu words, %zu bytes\n", words_count(text, len), len);
	return 0;
}
