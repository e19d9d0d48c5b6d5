/* SPDX-License-Identifier: MIT */
/*
 * cli/image-sources.c - selecting apt sources for a suite
 *
 * Runs in the CLI.  The files are root's; what is not understood in them is left
 * out, never guessed.
 *
 * Theory of operation: the one-line format is first turned into deb822; then a
 * stanza is taken when one of its suites is the wanted one or begins with its
 * name and a dash (bookworm-updates, bookworm-security), and keeps those alone.
 */
#include "cli/image-sources.h"

#include <stdio.h>
#include <strings.h>

#define SPACE " \t"

/* "bookworm", "bookworm-updates", "bookworm/updates" for "bookworm": the rest
 * behind the name, or NULL. */
static const char *suite_rest(const char *s, size_t len, const char *suite)
{
	size_t n = suite ? strlen(suite) : 0;

	if (!n || len < n || memcmp(s, suite, n))
		return NULL;
	return len == n || s[n] == '-' || s[n] == '/' ? s + n : NULL;
}

/* The wanted ones of the words in @s, each with a space in front. */
static int put_suites(const char *s, size_t len,
		      const struct sources_want *want, struct buf *out)
{
	int found = 0;

	for (size_t i = 0, n; i < len; i += n) {
		const char *rest;

		n = strspn(s + i, SPACE);
		if (n)
			continue;
		n = MIN(strcspn(s + i, SPACE "\n"), len - i);
		if (!n)
			n = 1;
		if (suite_rest(s + i, n, want->suite) ||
		    suite_rest(s + i, n, want->alias)) {
			buf_printf(out, " %.*s", (int)n, s + i);
			found++;
			continue;
		}
		rest = suite_rest(s + i, n, want->instead);
		if (rest) {
			buf_printf(out, " %s%.*s", want->suite,
				   (int)(s + i + n - rest), rest);
			found++;
		}
	}
	return found;
}

/* A field of a stanza: its value up to the end of its last line. */
static const char *field(const char *stanza, size_t len, const char *name,
			 size_t *value_len)
{
	size_t n = strlen(name), end;

	for (size_t i = 0; i < len; i = end + 1) {
		const char *p = stanza + i;

		end = i + MIN(strcspn(p, "\n"), len - i);
		if (len - i <= n || strncasecmp(p, name, n) || p[n] != ':')
			continue;
		/* lines that begin with a space go on with it */
		while (end + 1 < len && strchr(SPACE, stanza[end + 1]))
			end += 1 + strcspn(stanza + end + 1, "\n");
		*value_len = MIN(end, len) - i - n - 1;
		return p + n + 1;
	}
	*value_len = 0;
	return NULL;
}

static bool has_word(const char *s, size_t len, const char *word)
{
	size_t w = strlen(word);

	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = MIN(strcspn(s + i, SPACE "\n"), len - i);
		if (n == w && !strncasecmp(s + i, word, w))
			return true;
	}
	return false;
}

static int put_stanza(const char *s, size_t len,
		      const struct sources_want *want, struct buf *out)
{
	CLEANUP_BUF struct buf suites = BUF_INIT;
	bool skip = false;
	const char *v;
	size_t n;

	v = field(s, len, "Types", &n);
	if (!v || !has_word(v, n, "deb"))
		return 0;
	v = field(s, len, "Enabled", &n);
	if (v && (has_word(v, n, "no") || has_word(v, n, "false") ||
		  has_word(v, n, "0")))
		return 0;
	v = field(s, len, "Suites", &n);
	if (!v || !put_suites(v, n, want, &suites))
		return 0;
	buf_printf(out, "Types: deb\nSuites:%s\n", buf_str(&suites));
	/* all else as it stands, comments left out */
	for (size_t i = 0, end; i < len; i = end + 1) {
		const char *p = s + i;

		end = i + MIN(strcspn(p, "\n"), len - i);
		if (!strchr(SPACE, *p))
			skip = *p == '#' || !strncasecmp(p, "Types:", 6) ||
			       !strncasecmp(p, "Suites:", 7);
		if (!skip && *p != '#')
			buf_printf(out, "%.*s\n", (int)(end - i), p);
	}
	return buf_append(out, "\n", 1) < 0 ? -1 : 1;
}

static int select_deb822(const char *text, const struct sources_want *want,
			 struct buf *out)
{
	int found = 0, rc;

	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end + 1 - text) : strlen(text);

		rc = put_stanza(text, len, want, out);
		if (rc < 0)
			return -1;
		found += rc;
		text += len;
		text += strspn(text, "\n");
	}
	return found;
}

/* "signed-by=/x trusted=yes": those that deb822 has under a name of its own. */
static void put_options(const char *s, size_t len, struct buf *out)
{
	static const struct {
		const char *option, *name;
	} known[] = { { "signed-by=", "Signed-By" },
		      { "trusted=", "Trusted" },
		      { "check-valid-until=", "Check-Valid-Until" },
		      { "check-date=", "Check-Date" },
		      { "allow-insecure=", "Allow-Insecure" },
		      { "by-hash=", "By-Hash" } };

	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = MIN(strcspn(s + i, SPACE "]"), len - i);
		for (size_t k = 0; n && k < ARRAY_SIZE(known); k++) {
			size_t o = strlen(known[k].option);

			if (n > o && !strncasecmp(s + i, known[k].option, o))
				buf_printf(out, "%s: %.*s\n", known[k].name,
					   (int)(n - o), s + i + o);
		}
	}
}

/* "deb [options] URI suite component..." */
static void line_to_deb822(const char *p, size_t len, struct buf *out)
{
	const char *end = p + MIN(strcspn(p, "#"), len);
	const char *options = NULL;
	size_t options_len = 0, n;

	p += 3;
	p += strspn(p, SPACE);
	if (*p == '[') {
		options = p + 1;
		options_len = MIN(strcspn(options, "]\n"),
				  (size_t)(end - options));
		p = options + options_len;
		p += *p == ']';
		p += strspn(p, SPACE);
	}
	n = strcspn(p, SPACE "\n");
	if (p + n >= end)
		return;
	buf_printf(out, "Types: deb\nURIs: %.*s\n", (int)n, p);
	p += n;
	p += strspn(p, SPACE);
	n = strcspn(p, SPACE "\n");
	buf_printf(out, "Suites: %.*s\n", (int)n, p);
	p += n;
	p += strspn(p, SPACE);
	if (p < end)
		buf_printf(out, "Components: %.*s\n", (int)(end - p), p);
	put_options(options ? options : "", options_len, out);
	buf_printf(out, "\n");
}

/* See image-sources.h. */
int sources_select(const char *text, bool line_format,
		   const struct sources_want *want, struct buf *out)
{
	CLEANUP_BUF struct buf stanzas = BUF_INIT;

	if (!line_format)
		return select_deb822(text, want, out);
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		const char *p = text + strspn(text, SPACE);

		n = strcspn(text, "\n");
		if (!strncmp(p, "deb", 3) && p[3] && strchr(SPACE "[", p[3]))
			line_to_deb822(p, n - (size_t)(p - text), &stanzas);
	}
	return stanzas.len ? select_deb822(buf_str(&stanzas), want, out) : 0;
}

static void put_uri(const char *uri, size_t len, struct buf *out)
{
	const char *colon = memchr(uri, ':', len);
	const char *end = uri + len, *host, *slash, *at = NULL;

	if (colon && (!strncmp(uri, "file:", 5) || !strncmp(uri, "copy:", 5) ||
		      !strncmp(uri, "cdrom:", 6)))
		return;
	host = colon && end - colon > 3 ? colon + 3 : NULL;
	if (host) {
		slash = memchr(host, '/', (size_t)(end - host));
		at = memrchr(host, '@', (size_t)((slash ? slash : end) - host));
	}
	if (at)
		buf_printf(out, " %.*s%.*s", (int)(host - uri), uri,
			   (int)(end - at - 1), at + 1);
	else
		buf_printf(out, " %.*s", (int)len, uri);
}

/* See image-sources.h. */
int sources_scrub(const char *text, struct buf *out)
{
	CLEANUP_BUF struct buf stanza = BUF_INIT;
	bool uris = false, has_uri = false;

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (!n) {
			if (has_uri)
				buf_printf(out, "%s\n", buf_str(&stanza));
			buf_consume(&stanza, stanza.len);
			has_uri = uris = false;
			continue;
		}
		if (!strchr(SPACE, *text))
			uris = !strncasecmp(text, "URIs:", 5);
		if (!uris) {
			buf_printf(&stanza, "%.*s\n", (int)n, text);
			continue;
		}
		if (!strchr(SPACE, *text))
			buf_printf(&stanza, "URIs:");
		for (size_t i = strchr(SPACE, *text) ? 0 : 5, w; i < n;
		     i += w ? w : 1) {
			size_t before = stanza.len;

			w = MIN(strcspn(text + i, SPACE "\n"), n - i);
			if (w)
				put_uri(text + i, w, &stanza);
			has_uri |= stanza.len > before;
		}
		buf_printf(&stanza, "\n");
	}
	if (has_uri)
		buf_printf(out, "%s\n", buf_str(&stanza));
	return 0;
}
