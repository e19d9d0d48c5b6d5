#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/host-faults.bats - a host that is not as it should be
#
# With runners of their own on this host, also where sandboxes run in the emulated
# machine: no guest is booted.
# seconds: 10
load helper

teardown() {
	[ ! -d run ] || end_runner
	watchdog_stop
}

# fake_runner REPLY...: what is sent back for the first line of a client, the
# second, ...
fake_runner() {
	mkdir -m 700 run/podflare
	timeout 60 perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => shift, Listen => 5) or die;
		while (my $c = $s->accept) {
			$c->autoflush;
			for my $reply (@ARGV) {
				<$c> // last;
				print $c "$reply\n";
			}
		}' run/podflare/runner.sock "$@" 3>&- &
	fake=$!
	wait_until 10 test -S run/podflare/runner.sock
}

end_fake() {
	kill $fake
	wait $fake || true
	rm run/podflare/runner.sock
}

hello() {
	echo '{"jsonrpc":"2.0","id":1,"result":{"protocol":'"$1"',"version":"'"$2"'","pid":4242}}'
}

@test "a runner of another protocol: both versions and the cure" {
	own_runner
	fake_runner "$(hello 99 7.7.7)"
	run --separate-stderr -1 podflare ls
	[ -z "$output" ]
	error_says 'is version 7.7.7, this is podflare 0.1'
	hint_says 'kill 4242'
	run --separate-stderr -125 podflare exec x true
	error_says 'version 7.7.7'
	run --separate-stderr -1 podflare --json create
	jq -e '.error.code == "version"' <<<"${stderr-}"
	end_fake
}

@test "a runner of another version, but of our protocol: one warning" {
	own_runner
	fake_runner "$(hello 1 0.0.7)" \
		'{"jsonrpc":"2.0","id":2,"result":{"sandboxes":[]}}'
	run --separate-stderr -0 podflare --json ls
	[ "$output" = '[]' ]
	[ "$(wc -l <<<"${stderr-}")" -eq 1 ]
	stderr_says 'podflare: warning: the runner is version 0.0.7'
	stderr_says 'kill 4242'
	end_fake
}

@test "a runner that refuses our protocol: what it says" {
	own_runner
	fake_runner '{"jsonrpc":"2.0","id":1,"error":{"code":-32012,"message":"runner 7.7.7 speaks protocol 99","data":{"code":"version","hint":"end the old runner (kill 4242)"}}}'
	run --separate-stderr -1 podflare ls
	error_says 'runner 7.7.7 speaks protocol 99'
	hint_says 'kill 4242'
	end_fake
}

@test "what listens there is no runner" {
	own_runner
	fake_runner 'SSH-2.0-OpenSSH_9.2'
	run --separate-stderr -1 podflare ls
	error_says "the runner's answer"
	end_fake
}

# without_kvm COMMAND...: /dev/kvm is there, and nobody may open it.
without_kvm() {
	own_mounts sh -c '
		mkdir -p dev && mount -t tmpfs -o mode=755 dev dev || exit 99
		for n in null zero random urandom; do
			: >dev/$n && mount --bind /dev/$n dev/$n || exit 99
		done
		: >dev/kvm
		chmod 0 dev/kvm
		mount --rbind dev /dev || exit 99
		# root may open anything: not this one
		exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"
	' sh "$@"
}

@test "no permission on /dev/kvm: create names the cure, leaves nothing" {
	own_runner
	without_kvm test ! -r /dev/kvm
	run --separate-stderr -1 without_kvm podflare create -n kvm1
	[ -z "$output" ]
	error_says '/dev/kvm: Permission denied'
	hint_says 'usermod -aG kvm'
	run --separate-stderr -125 without_kvm podflare run true
	error_says '/dev/kvm: Permission denied'
	[ "$(podflare --json ls)" = '[]' ]
	[ -z "$(ls data/podflare/sandboxes)" ]
}

@test "no permission on /dev/kvm: doctor names the cure" {
	own_runner
	run --separate-stderr -1 without_kvm podflare doctor
	[[ $output == *"/dev/kvm: permission denied"*"setfacl -m u:"*":rw /dev/kvm"* ]]
}

@test "no hardware virtualization, and the emulated machine is switched off" {
	! grep -qwE '^flags.*(vmx|svm)' /proc/cpuinfo ||
		skip "this processor has it"
	own_runner
	run --separate-stderr -1 podflare create
	error_says '/dev/kvm'
	# an ordinary user may not get as far as that
	[[ ${stderr-} == *'Permission denied'* && ! -w /dev/kvm ]] ||
		hint_says 'podflare machine start'
}
