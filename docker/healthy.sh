#!/bin/sh
# Whether a container is well: a live page must answer, a job that serves none is well while it runs.
# healthy.sh [COMMAND_LINE_FILE]
set -eu
port=$(tr '\0' '\n' <"${1:-/proc/1/cmdline}" | sed -n -e '/^--serve$/{n;s/.*://p;}' -e 's/^--serve=.*://p')
[ -n "$port" ] || exit 0
exec python3 -c "
import sys, urllib.request
try:
    urllib.request.urlopen('http://127.0.0.1:$port/', timeout=5).read(1)
except OSError as error:
    sys.exit(f'the live page does not answer: {error}')
"
