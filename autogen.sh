#!/bin/sh
# SPDX-License-Identifier: MIT
# autogen.sh - make ./configure from configure.ac
set -eu
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --force --warnings=all,no-obsolete
