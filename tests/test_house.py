"""The layer table of docs/design.md, held over the syntax trees; exports; and what loads what."""

import ast
import functools
import graphlib
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import opuscule

SOURCE = Path(opuscule.__file__).parent
ROOT = SOURCE.parent.parent

# A row: | layer | rooms, separated by commas | what it may import, in words |
ROWS = re.findall(
    r"^\| (\d) \| ([^|]+) \|", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.M
)
LAYER_OF = {
    room.removeprefix("the rest of "): int(layer)
    for layer, rooms in ROWS
    for room in rooms.strip().split(", ")
}
LAYER_OF |= {"_native": 0, "opuscule": 9}  # the second: what `import opuscule` names
NEIGHBOURS = {("transports", "auth"), ("sync", "client")}
# The archive's own rooms, the lower ones first.
ARCHIVE = ["archive.storage", "archive.reading", "archive.importing", "archive.upkeep", "archive"]
NEIGHBOURS |= {(high, low) for n, high in enumerate(ARCHIVE) for low in ARCHIVE[:n]}
# Layers 0 to 2 are handed bytes and time, and wait for nothing.
OUTSIDE_WORLD = {"asyncio", "socket", "threading", "grpc", "zarr", "time", "select", "selectors"}
CLOCK_READINGS = {"now", "utcnow", "today"}


def room_of(dotted: str) -> str:
    """The room in which a dotted name below ``opuscule`` is; itself if the table has none."""
    parts = dotted.split(".")[1:]
    for length in (2, 1):
        if ".".join(parts[:length]) in LAYER_OF:
            return ".".join(parts[:length])
    return parts[0] if parts else "opuscule"


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Every dotted name that a module imports, at its top, in functions or for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, *filter(None, [node.module])] if node.level else [])
            yield from (f"{base or node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            # importlib.import_module("x"), __import__("x")
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def may_import(room: str, other: str) -> bool:
    mine, its = LAYER_OF[room], LAYER_OF[other]
    return mine > its or room == other or mine == its == 0 or (room, other) in NEIGHBOURS


@functools.cache
def faults_of(where: Path, text: str) -> list[str]:
    """What in one file breaks the table, one sentence each; ``where`` is it below the top."""
    parts = ["opuscule", *where.with_suffix("").parts]
    is_package = parts[-1] == "__init__"
    dotted = ".".join(parts[:-1] if is_package else parts)
    room = room_of(dotted)
    if room not in LAYER_OF:
        return [f"{dotted}: docs/design.md's table lacks the room {room!r}"]
    found = []
    tree = ast.parse(text)
    low = LAYER_OF[room] <= 2
    for name in imported(tree, dotted if is_package else dotted.rpartition(".")[0]):
        top = name.split(".")[0]
        other = room_of(name)
        if low and top in OUTSIDE_WORLD:
            found.append(f"{dotted} (layer {LAYER_OF[room]}) imports {top}")
        elif LAYER_OF[room] == 0 and top not in sys.stdlib_module_names | {"opuscule"}:
            found.append(f"{dotted} (layer 0) imports {top}; only the standard library is below")
        elif top == "opuscule" and name != "opuscule.__version__":
            if other not in LAYER_OF:
                found.append(
                    f"{dotted} imports {name}: docs/design.md's table lacks the room {other!r}"
                )
            elif not may_import(room, other):
                found.append(f"{dotted} (layer {LAYER_OF[room]}) imports {name} ({other})")
    found += [
        f"{dotted}:{node.lineno} reads a clock: .{node.attr}"
        for node in ast.walk(tree)
        if low and isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS
    ]
    return found


def faults(source: Path) -> list[str]:
    """What in a tree of the package breaks the table, one sentence each."""
    return [
        fault
        for path in sorted(source.rglob("*.py"))
        for fault in faults_of(path.relative_to(source), path.read_text(encoding="utf-8"))
    ]


def test_imports_point_down() -> None:
    assert faults(SOURCE) == []


@pytest.mark.parametrize(
    ("where", "line", "complaint"),
    [
        ("units.py", "from opuscule.codec import Encoder", "opuscule.units (layer 0) imports"),
        ("units.py", "import numpy", "only the standard library"),
        ("codec.py", "import opuscule.playout", "imports opuscule.playout (playout)"),
        ("codec.py", "from opuscule import client", "imports opuscule.client (client)"),
        ("codec.py", "from . import server", "imports opuscule.server (server)"),
        ("codec.py", "from opuscule import Packet", "lacks the room 'Packet'"),
        ("playout.py", "def f() -> None:\n    import asyncio", "imports asyncio"),
        ("playout.py", "from datetime import datetime\ndatetime.now()", "reads a clock: .now"),
        ("clock.py", "from time import monotonic", "imports time"),
        ("link/peer.py", "from opuscule.auth import bearer", "imports opuscule.auth.bearer"),
        ("link/peer.py", "from ..journal import Journal", "imports opuscule.journal.Journal"),
        ("client/client.py", "from opuscule.sync import talk", "imports opuscule.sync.talk"),
        ("wire/frame.py", "if TYPE_CHECKING:\n    import opuscule.link", "imports opuscule.link"),
        (
            "archive/layout.py",
            "from opuscule.archive.storage import info",
            "imports opuscule.archive.storage.info",
        ),
        (
            "archive/storage/store.py",
            "from opuscule.archive.reading.recording import Recording",
            "imports opuscule.archive.reading.recording",
        ),
        ("journal/log.py", "import importlib\nimportlib.import_module('opuscule.sync')", "(sync)"),
        ("shed.py", "", "lacks the room 'shed'"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, where: str, line: str, complaint: str) -> None:
    copy = tmp_path / "opuscule"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    planted = copy / where
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text(encoding="utf-8") if planted.exists() else ""
    planted.write_text(f"{before}\n{line}\n", encoding="utf-8")
    (found,) = set(faults(copy)) - set(faults(SOURCE))
    assert complaint in found


def modules() -> list[str]:
    return ["opuscule", *(m.name for m in pkgutil.walk_packages([str(SOURCE)], "opuscule."))]


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("__main__")])
def test_every_module_lists_its_names(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", None)
    assert exported is not None, f"{name} has no __all__"
    assert len(set(exported)) == len(exported)
    assert [n for n in exported if not hasattr(module, n)] == []


HEAVY = ("numpy", "zarr", "rich", "av", "soxr", "sounddevice", "xarray", "dask")


@pytest.mark.parametrize(
    "name", ["opuscule", "opuscule.playout", "opuscule.journal", "opuscule.link", "opuscule.client"]
)
def test_the_live_path_is_light(name: str) -> None:
    script = f"import json, sys, {name}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert name in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_version_is_cargos() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    assert opuscule.__version__ == cargo["workspace"]["package"]["version"]


def test_every_file_of_rust_tests_is_run() -> None:
    """They are one program: a file that it does not name would never be compiled."""
    folder = ROOT / "crates" / "core" / "tests" / "core"
    named = set(re.findall(r"^mod (\w+);$", (folder / "main.rs").read_text(), re.M))
    assert named - {"invariants"} == {path.stem for path in folder.glob("*.rs")} - {"main"}


def python_imports(source: Path) -> dict[str, set[str]]:
    """For each module of the package the others that it imports."""
    files = {
        ".".join(["opuscule", *path.relative_to(source).with_suffix("").parts]): path
        for path in source.rglob("*.py")
    }
    modules = {name.removesuffix(".__init__") for name in files}
    graph = {}
    for name, path in files.items():
        package, module = name.rpartition(".")[0], name.removesuffix(".__init__")
        names = set(imported(ast.parse(path.read_text(encoding="utf-8")), package))
        names -= {"opuscule._native", "opuscule.__version__"}
        found = {one if one in modules else one.rpartition(".")[0] for one in names}
        graph[module] = found & modules - {module}
    return graph


def test_imports_run_in_no_circle() -> None:
    graphlib.TopologicalSorter(python_imports(SOURCE)).prepare()


def rust_imports(folder: Path) -> dict[str, set[str]]:
    """For each file of a folder the others that it imports, by name or through ``mod.rs``."""
    files = {path.stem: path for path in folder.glob("*.rs")}
    parent = files.pop("mod", files.pop("lib", None))
    lent = dict[str, str]()
    if parent:
        for room, names in re.findall(
            r"^pub\S* use (?:self::)?(\w+)::(.*?);", parent.read_text(), re.M | re.S
        ):
            lent |= dict.fromkeys(re.findall(r"\w+", names), room)
    graph = {}
    for stem, path in files.items():
        used = re.findall(r"^use super::(.*?);", path.read_text(), re.M | re.S)
        first = re.findall(r"\w+", re.sub(r"::(\{[^{}]*\}|\w+)", "", " ".join(used)))
        graph[stem] = {lent.get(name, name) for name in first} & files.keys() - {stem}
    return graph


RUST_FOLDERS = {path.parent for path in (ROOT / "crates").glob("*/src/**/*.rs")}


@pytest.mark.parametrize("folder", sorted(RUST_FOLDERS), ids=lambda path: path.name)
def test_rust_imports_run_in_no_circle(folder: Path) -> None:
    graphlib.TopologicalSorter(rust_imports(folder)).prepare()


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "mod.rs").write_text(
        "mod a;\nmod b;\npub(crate) use self::b::{B, C};\npub use d::D;\n"
    )
    (tmp_path / "a.rs").write_text("use super::{\n    Error, b::{D, E}, C,\n};\n")
    (tmp_path / "b.rs").write_text("use super::c::A;\n")
    assert rust_imports(tmp_path) == {"a": {"b"}, "b": set()}
    (tmp_path / "b.rs").write_text("use super::a::A;\n")
    with pytest.raises(graphlib.CycleError):
        test_rust_imports_run_in_no_circle(tmp_path)
