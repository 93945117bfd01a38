#!/bin/sh
# Finds a Python that is new enough and hands over to setup.py, which does the rest.
set -eu
cd "$(dirname "$0")/.."

for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        exec "$python" tools/setup.py
    fi
done
echo "Python 3.11 or newer is missing: install it, then run this again." >&2
exit 1
