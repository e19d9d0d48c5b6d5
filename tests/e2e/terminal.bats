#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/terminal.bats - a real terminal: shell, Ctrl-C, size, restoring it
# seconds: 60
load helper

setup_file() {
	create term1
}

teardown_file() {
	podflare rm -f term1
}

# on_terminal SCRIPT: expect(1) commands after `spawn bash`; its prompt is "$>".
# `same_tty` checks that the terminal's settings are what they were.
on_terminal() {
	cat >script <<-END
	set timeout 60
	proc need {args} {
		expect {
			{*}\$args {}
			timeout { puts "\nnot seen: \$args"; exit 1 }
			eof { puts "\nended before: \$args"; exit 1 }
		}
	}
	proc same_tty {} {
		need {\$>}
		send "stty -g >after; cmp before after && echo sa''me\r"
		need same
		need {\$>}
	}
	set env(PS1) {\$>}
	spawn bash --norc --noprofile
	need {\$>}
	send "stty rows 33 cols 101; stty -g >before\r"
	need {\$>}
	$1
	exit 0
	END
	timeout 120 expect -f script
}

@test "shell: a login shell with our size, and the terminal afterwards" {
	on_terminal '
	send "podflare shell term1\r"
	need {#}
	send "stty size; echo te""rm1-\$(hostname)\r"
	need {33 101}
	need {term1-term1}
	send "exit 5\r"
	need {$>}
	send "echo rc=\$?\r"
	need {rc=5}
	same_tty'
}

@test "a changed window size reaches the command" {
	on_terminal '
	send "podflare shell term1\r"
	need {#}
	send "trap \"stty size\" WINCH; echo re\"\"ady\r"
	need ready
	stty rows 44 columns 99 < $spawn_out(slave,name)
	send "\r"
	need {44 99}
	send "exit\r"
	same_tty'
}

@test "Ctrl-C in a shell ends the command inside, not the shell" {
	on_terminal '
	send "podflare shell term1\r"
	need {#}
	send "echo sta\"\"rt; sleep 1000\r"
	need start
	send "\003"
	need {#}
	send "echo ali\"\"ve\r"
	need alive
	send "exit\r"
	same_tty'
}

@test "Ctrl-C with exec -t" {
	on_terminal '
	send "podflare exec -it term1 sh -c {trap \"echo got-int; exit 9\" INT; echo sta\"\"rt; while :; do sleep 0.1; done}\r"
	need start
	send "\003"
	need got-int
	need {$>}
	send "echo rc=\$?\r"
	need {rc=9}
	same_tty'
}

@test "Ctrl-C with exec without -t" {
	on_terminal '
	send "podflare exec term1 sh -c \"echo sta\\\"\\\"rt; exec sleep 1000\"\r"
	need start
	send "\003"
	need {$>}
	send "echo rc=\$?\r"
	need {rc=130}
	same_tty'
}

@test "the terminal is restored when we are terminated" {
	on_terminal '
	send "podflare exec -it term1 sh -c {echo sta\"\"rt; exec sleep 1000}\r"
	need start
	exec sh -c {kill -TERM $(cat /proc/[0-9]*/stat 2>/dev/null | awk -v t=$(cut -d" " -f7 /proc/'"\$spawn_pid"'/stat) "\$2 == \"(podflare)\" && \$7 == t { print \$1 }")}
	same_tty'
}

@test "the terminal is restored when the sandbox dies" {
	create term2
	pid=$(field term2 .pid)
	printf '#!/bin/bash\n%s\n' "machine=$machine" >killer
	if [ -n "$machine" ]; then
		echo "podflare machine shell -- kill -9 $pid </dev/null" >>killer
	else
		echo "kill -9 $pid" >>killer
	fi
	chmod +x killer
	on_terminal '
	send "podflare shell term2\r"
	need {#}
	exec ./killer >/dev/null 2>/dev/null
	need error
	same_tty'
	podflare rm -f term2
}

@test "a shell's end of input ends it" {
	on_terminal '
	send "podflare shell term1\r"
	need {#}
	send "\004"
	same_tty'
}

@test "the console is attached and left" {
	on_terminal '
	send "podflare console term1\r"
	sleep 1
	send "\035"
	sleep 1
	send "\020\021"
	same_tty'
}
