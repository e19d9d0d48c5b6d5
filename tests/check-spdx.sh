#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-spdx.sh - licence line first, then a head line with the file's path
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

check() {
	local file head

	while read -r file; do
		head=$(head -n 4 "$tree/$file")
		case $head in
		*SPDX-License-Identifier:\ MIT*) ;;
		*) bad "$file: no SPDX line at the top" ;;
		esac
		case $head in
		*" $file - "*) ;;
		*) bad "$file: the head line does not say '$file - what'" ;;
		esac
	done < <(sources '*.c' '*.h' '*.sh' '*.bash' '*.bats')
}

selftest() {
	put a/b.c <<-'END'
	/* SPDX-License-Identifier: MIT */
	/* a/b.c - does it */
	END
	put a/b.sh <<-'END'
	#!/bin/sh
	# SPDX-License-Identifier: MIT
	# a/b.sh - does it
	END
	expect_good
	echo '/* a.c - does it */' | put a.c
	expect_bad 'a.c: no SPDX'
	printf '/* SPDX-License-Identifier: MIT */\n/* b.c - x */\n' | put a.c
	expect_bad "a.c: the head line"
}

check_main "$@"
