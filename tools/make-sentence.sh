#!/bin/sh
# Speaks the demo's sentence anew (needs espeak-ng); the result is committed, so that the demo needs
# nothing but this package.
set -eu
cd "$(dirname "$0")/.."
text=$(.venv/bin/python -c 'from opuscule.measure.demo import SENTENCE; print(SENTENCE)')
wav=$(mktemp --suffix=.wav)
trap 'rm -f "$wav"' EXIT
espeak-ng -v en-gb -s 150 -w "$wav" "$text"
.venv/bin/opuscule encode "$wav" src/opuscule/data/sentence.opus --preset archive
