#!/bin/sh
# Makes sure that cargo has its formatter and linter; a minimal rustup installation lacks them.
set -eu
cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && exit 0
if command -v rustup >/dev/null 2>&1 && rustup --quiet component add rustfmt clippy; then
    exit 0
fi
echo "rustfmt and clippy are missing: install them (Debian: rustfmt rust-clippy), then run this again." >&2
exit 1
