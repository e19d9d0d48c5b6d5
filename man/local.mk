# man/local.mk - one page per command. One page per line.
dist_man_MANS += \
	man/podflare.1 \
	man/podflare-attach.1 \
	man/podflare-config.5 \
	man/podflare-console.1 \
	man/podflare-cp.1 \
	man/podflare-create.1 \
	man/podflare-dial-stdio.1 \
	man/podflare-diff.1 \
	man/podflare-doctor.1 \
	man/podflare-eval.1 \
	man/podflare-exec.1 \
	man/podflare-fork.1 \
	man/podflare-freeze.1 \
	man/podflare-gc.1 \
	man/podflare-help.1 \
	man/podflare-image.1 \
	man/podflare-image.5 \
	man/podflare-log.1 \
	man/podflare-logs.1 \
	man/podflare-ls.1 \
	man/podflare-machine.1 \
	man/podflare-merge.1 \
	man/podflare-pause.1 \
	man/podflare-reset.1 \
	man/podflare-resume.1 \
	man/podflare-rm.1 \
	man/podflare-run.1 \
	man/podflare-shell.1 \
	man/podflare-show.1 \
	man/podflare-snapshot.1 \
	man/podflare-thaw.1 \
	man/podflare-touch.1 \
	man/podflare-version.1
