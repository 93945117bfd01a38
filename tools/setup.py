"""Makes .venv and builds the native module; needs only Python, Rust and a C compiler.

What was done is remembered as hashes of what it was done from, so that a run without changes takes
a moment. Nothing outside the project's folder is touched, and no system package is needed: cmake,
which libopus is built with, comes into .venv like the Python tools.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOCK = ROOT / "requirements" / "dev.txt"


def say(text: str) -> None:
    """Show progress at once, also through a pipe."""
    print(f"setup: {text}", flush=True)


def environment() -> dict[str, str]:
    """The tools of .venv first; cargo also where rustup puts it before a new login."""
    path = [str(BIN), os.environ.get("PATH", ""), str(Path.home() / ".cargo" / "bin")]
    return {**os.environ, "PATH": os.pathsep.join(path), "VIRTUAL_ENV": str(VENV)}


def rust_versions() -> tuple[str, str]:
    """The rustc that is there ("" for none) and the oldest that will do."""
    with (ROOT / "Cargo.toml").open("rb") as file:
        needed: str = tomllib.load(file)["workspace"]["package"]["rust-version"]
    path = environment()["PATH"]
    rustc = shutil.which("rustc", path=path)
    if rustc is None or shutil.which("cargo", path=path) is None:
        return "", needed
    shown = subprocess.run([rustc, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"rustc (\d+\.\d+\.\d+)", shown.stdout)
    return (found[1] if found else ""), needed


def missing_parts() -> list[str]:
    """What has to be installed before anything can be built, in words."""
    missing = []
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        missing.append(f"this Python's venv module (Debian: python3-venv; {sys.executable})")
    found, needed = rust_versions()
    if not found:
        missing.append(f"Rust {needed} or newer (rustc and cargo)")
    elif [int(n) for n in found.split(".")] < [int(n) for n in needed.split(".")]:
        missing.append(f"Rust {needed} or newer (rustc is {found})")
    compilers = [os.environ.get("CC", "").split(" ")[0], "cc", "gcc", "clang"]
    if not any(name and shutil.which(name) for name in compilers):
        missing.append("a C compiler (cc, gcc or clang)")
    return missing


def digest(*seeds: str, files: Iterable[Path]) -> str:
    """One hash over some words and the names and contents of files."""
    total = hashlib.sha256("\0".join(seeds).encode())
    for path in sorted(files):
        total.update(f"\0{path.relative_to(ROOT)}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def run(*command: str | Path, otherwise: str) -> None:
    """Run quietly; on failure show everything it said, then in one sentence what failed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.stdout.buffer.write(done.stdout)
        sys.stdout.flush()
        sys.exit(f"setup: {otherwise} (above is what {Path(command[0]).name} said).")


def install(locked: Path) -> None:
    """Install what a lock names into .venv."""
    run(
        *(BIN / "python", "-m", "pip", "--disable-pip-version-check", "install"),
        *("--require-hashes", "--requirement", locked),
        otherwise="the Python packages could not be installed",
    )


def install_tools() -> None:
    """Make .venv and install the locked packages, unless that was done.

    What compiles comes first, and compiles the native module while the others are installed, which
    waits for the network and the disk.
    """
    stamp = VENV / "stamp-tools"
    wanted = digest(sys.version, sys.base_prefix, str(VENV), files=[LOCK])
    if stamp.exists() and stamp.read_text() == wanted and (BIN / "python").exists():
        return
    say("making .venv, installing the Python tools, compiling libopus (one to two minutes)")
    run(sys.executable, "-m", "venv", "--clear", VENV, otherwise=".venv could not be made")
    first = VENV / "first.txt"
    blocks = re.findall(r"^\S+==(?:.*\\\n)*.*\n", LOCK.read_text(), re.M)
    first.write_text("".join(b for b in blocks if re.match("(?:cmake|maturin)==", b)))
    install(first)
    with ThreadPoolExecutor() as side_by_side:
        compiled = side_by_side.submit(
            run,
            *(BIN / "maturin", "build", "--release", "--locked", "--out", VENV / "wheel"),
            otherwise="the native module could not be built",
        )
        install(LOCK)
        compiled.result()
    stamp.write_text(wanted)


def build_native() -> None:
    """Build the native module into src/opuscule and link the package into .venv, unless done."""
    stamp = VENV / "stamp-native"
    sources = [path for path in (ROOT / "crates").rglob("*") if path.suffix in (".rs", ".toml")]
    project = [ROOT / name for name in ("Cargo.lock", "Cargo.toml", "pyproject.toml")]
    wanted = digest(sysconfig.get_platform(), rust_versions()[0], files=[*sources, *project, LOCK])
    built = any((ROOT / "src" / "opuscule").glob("_native.*.so"))
    if built and stamp.exists() and stamp.read_text() == wanted:
        return
    say("building the native module (one to two minutes where libopus is not compiled yet)")
    run(
        *(BIN / "maturin", "develop", "--release", "--locked"),
        otherwise="the native module could not be built",
    )
    stamp.write_text(wanted)


def main() -> None:
    """Do what is needed, or say in one sentence what is missing."""
    missing = missing_parts()
    if missing:
        is_it = ("is", "it") if len(missing) == 1 else ("are", "them")
        parts = " and ".join(missing)
        sys.exit(f"{parts} {is_it[0]} missing: install {is_it[1]}, then run this again.")
    install_tools()
    build_native()


if __name__ == "__main__":
    main()
