/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-display.c - what Python shows beside text */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/agent-code.h"
#include "tests/unit/unit.h"

/* "1:image/png=PNG|..." of the DISPLAY frames, and stdout. */
static void shows(struct rig *r, const char *text, uint32_t flags,
		  const char *displays, const char *out)
{
	const struct code c = { .text = text, .flags = flags };
	CLEANUP_BUF struct buf seen = BUF_INIT, said = BUF_INIT;
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = code_send(r, &c);
	struct frame f;
	struct tlv t;

	do {
		size_t pos = 0;

		assert_true(rig_next(fd, &in, &f));
		if (f.type == AGENT_STDOUT || f.type == AGENT_STDERR)
			buf_append(&said, f.data, f.len);
		if (f.type != AGENT_DISPLAY)
			continue;
		while (tlv_next(f.data, f.len, &pos, &t) > 0)
			if (t.tag == AGENT_T_DISPLAY)
				buf_printf(&seen, "%u:", tlv_u32(&t));
			else
				buf_printf(&seen, "%.*s%s",
					   (int)MIN(t.len, 32u), t.data,
					   t.tag == AGENT_T_MIME ? "=" : "|");
	} while (f.type != AGENT_EXIT);
	assert_string_equal(buf_str(&said), out);
	assert_string_equal(buf_str(&seen), displays);
	frame_reader_free(&in);
	close(fd);
}

static void pictures_are_shown_to_who_wants_them(void **state)
{
	static const char *const thing =
		"class P:\n def _repr_png_(self): return b'PNG'\n"
		" def _repr_html_(self): return '<b>'\n"
		" def _repr_svg_(self): return 1 / 0\n"
		" def __repr__(self): return 'P'\nP()";

	shows(*state, thing, 0, "", "P\n");
	shows(*state, thing, AGENT_CODE_DISPLAY,
	      "1:image/png=PNG|1:text/html=<b>|", "P\n");
	shows(*state, "display(P(), 2)\nP()", AGENT_CODE_DISPLAY,
	      "1:image/png=PNG|1:text/html=<b>|2:image/png=PNG|"
	      "2:text/html=<b>|", "2\nP\n");
	shows(*state, "P", AGENT_CODE_DISPLAY, "", "<class '__main__.P'>\n");
	shows(*state, "class B:\n def _repr_svg_(self): return 'x' * 100000\n"
	      " def __repr__(self): return 'B'\nB()", AGENT_CODE_DISPLAY,
	      "1:image/svg+xml=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|"
	      "1:image/svg+xml=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|", "B\n");
}

static void figures_come_when_they_are_shown(void **state)
{
	struct rig *r = *state;

	rig_host("mkdir %s/matplotlib; : >%s/matplotlib/__init__.py; "
		 "printf '%%s\\n' 'figs = {}' "
		 "'class F:' "
		 "' def __init__(self, n): self.n = n; figs[n] = self' "
		 "' def savefig(self, out, **k): out.write(b\"F%%d\" %% self.n)' "
		 "'def figure(n=None):' "
		 "' return figs.get(n) or F(n or len(figs) + 1)' "
		 "'def get_fignums(): return sorted(figs)' "
		 "'def close(f): del figs[f.n]' 'def show(): 1 / 0' "
		 ">%s/matplotlib/pyplot.py", r->dir, r->dir, r->dir);
	shows(r, "import matplotlib.pyplot as plt\nplt.figure(1) and None\n"
	      "plt.show(); print('a')\nf = plt.figure(2)", AGENT_CODE_DISPLAY,
	      "1:image/png=F1|2:image/png=F2|", "a\n");
	shows(r, "len(plt.figs)", AGENT_CODE_DISPLAY, "", "0\n");
	shows(r, "f = plt.figure(3)\nplt.show()", 0, "", "");
	shows(r, "len(plt.figs)", AGENT_CODE_DISPLAY, "1:image/png=F3|", "1\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pictures_are_shown_to_who_wants_them),
		TEST(figures_come_when_they_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
