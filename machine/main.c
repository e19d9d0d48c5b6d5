/* SPDX-License-Identifier: MIT */
/*
 * machine/main.c - podflare-machine: an emulated machine's two ends
 *
 * On the host it is the supervisor (host-main.c), inside the machine it is
 * process 1 (guest-main.c).  Started by podflare, not by people.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "machine/guest.h"
#include "machine/host.h"

static int usage(void)
{
	fputs("podflare-machine is started by podflare: "
	      "see podflare-machine(1)\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct host_options opts = { 0 };

	if (getpid() == 1)
		guest_main();
	log_init("podflare-machine", LOG_INFO);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--attach") == 0)
			opts.attach = true;
		else if (strcmp(argv[i], "--icount") == 0)
			opts.icount = true;
		else if (strncmp(argv[i], "--memory=", 9) == 0)
			opts.memory = strtoull(argv[i] + 9, NULL, 10);
		else
			return usage();
	}
	return host_main(&opts);
}
