#!/bin/sh
# Makes requirements/dev.txt and bench.txt anew from dev.in and bench.in: every package, for every
# platform and Python from 3.11 on, with its hashes and without addresses.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    .venv/bin/python -m venv --clear out/lock-venv
    out/lock-venv/bin/pip install --quiet --disable-pip-version-check uv
    uv=out/lock-venv/bin/uv
fi
for name in dev bench; do
    "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
        --no-emit-index-url --no-emit-find-links "$@" \
        --output-file "requirements/$name.txt" "requirements/$name.in"
done
if grep -n '://' requirements/dev.txt requirements/bench.txt; then
    echo "the lock has addresses in it (above): it must name packages and hashes only" >&2
    exit 1
fi
