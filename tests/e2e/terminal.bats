#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/terminal.bats - a real terminal: shell, Ctrl-C, size, restoring it
# seconds: 25
load helper

setup_file() {
	create term1
}

teardown_file() {
	podflare rm -f term1 term2
}

# on_terminal SCRIPT: expect(1) commands after `spawn bash`; its prompt is "HOST>".
# `same_tty` checks that the terminal's settings are what they were.
on_terminal() {
	cat >script <<-END
	set timeout ${TTY_SECONDS:-60}
	proc need {text} {
		expect {
			-ex \$text {}
			timeout { puts "\nnot seen: \$text"; exit 1 }
			eof { puts "\nended before: \$text"; exit 1 }
		}
	}
	proc same_tty {} {
		need {HOST>}
		send "stty -g >after; cmp before after && echo sa''me\r"
		need same
		need {HOST>}
	}
	set env(PS1) {HOST>}
	set env(TERM) dumb
	spawn bash --norc --noprofile
	need {HOST>}
	send "stty rows 33 cols 101; stty -g >before\r"
	need {HOST>}
	$1
	exit 0
	END
	timeout 120 expect -f script
}

@test "shell: a login shell with our size, and the terminal afterwards" {
	on_terminal '
	send "podflare shell term1\r"
	need {# }
	send {stty size; echo me-$(hostname)}
	send "\r"
	need {33 101}
	need me-term1
	send "exit 5\r"
	need HOST>
	send {echo rc=$?}
	send "\r"
	need rc=5
	same_tty'
}

@test "a changed window size reaches the command" {
	on_terminal '
	send "podflare shell term1\r"
	need {# }
	send {trap "stty size" WINCH; echo re""ady}
	send "\r"
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
	need {# }
	send {echo sta""rt; sleep 1000}
	send "\r"
	need start
	# bash itself loses a SIGINT that comes before the command runs
	sleep 1
	send "\003"
	need {# }
	send {echo ali""ve}
	send "\r"
	need alive
	send "exit\r"
	same_tty'
}

@test "Ctrl-C with exec -t" {
	echo 'trap "echo got-int; exit 9" INT; echo start
		while :; do sleep 0.1; done' >job
	on_terminal '
	send {podflare exec -it term1 sh -c "$(cat job)"}
	send "\r"
	need start
	send "\003"
	need got-int
	need HOST>
	send {echo rc=$?}
	send "\r"
	need rc=9
	same_tty'
}

@test "Ctrl-C with exec without -t" {
	echo 'echo start; exec sleep 1000' >job
	on_terminal '
	send {podflare exec term1 sh -c "$(cat job)"}
	send "\r"
	need start
	send "\003"
	need HOST>
	send {echo rc=$?}
	send "\r"
	need rc=130
	same_tty'
}

@test "the terminal is restored when we are terminated" {
	echo 'echo start; exec sleep 1000' >job
	echo 'echo $$ >pid; exec podflare exec -it term1 sh -c "$(cat job)"' >us
	on_terminal '
	send "sh us\r"
	need start
	exec sh -c {kill -TERM $(cat pid)}
	same_tty'
}

@test "the terminal is restored when the sandbox dies" {
	create term2
	pid=$(field term2 .pid)
	if [ -n "$machine" ]; then
		echo "podflare machine shell -- kill -9 $pid </dev/null" >killer
	else
		echo "kill -9 $pid" >killer
	fi
	on_terminal '
	send "podflare shell term2\r"
	need {# }
	exec sh killer
	need error
	same_tty'
	podflare rm -f term2
}

@test "a shell ends at the end of its input" {
	on_terminal '
	send "podflare shell term1\r"
	need {# }
	send "\004"
	same_tty'
}

@test "the console shows what the guest writes, and is left with its key" {
	on_terminal '
	send "podflare console term1\r"
	need {Ctrl-]}
	exec podflare exec term1 sh -c {echo to-con""sole >/dev/console}
	need to-console
	send "\035"
	same_tty'
}

@test "a shell of a copy is a session that can be attached" {
	on_terminal '
	send "podflare shell term1\r"
	need {# }
	send {x=hello-$((40+2))}
	send "\r"
	need {# }
	exec podflare fork --name term2 term1 2>/dev/null
	send {echo parent-$x}
	send "\r"
	need parent-hello-42
	send "exit\r"
	need HOST>
	set session [exec sh -c {podflare --json show term2 |
		jq "[.sessions[] | select(.running and .tty)][-1].session"}]
	send "podflare attach term2 $session\r"
	send {echo copy-$x; hostname; stty size}
	send "\r"
	need copy-hello-42
	need term2
	need {33 101}
	send {exit 6}
	send "\r"
	need HOST>
	send {echo rc=$?}
	send "\r"
	need rc=6
	same_tty'
}
