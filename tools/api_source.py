"""Reads the public names of opuscule, their signatures and docstrings from the sources.

Syntax trees and not objects: what stands there is shown as it stands there, with its defaults and
type names, and the strings behind fields are found, which Python itself throws away. Only functions
of the native module, whose stub has no text, are asked for their docstrings.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 88

Function = ast.FunctionDef | ast.AsyncFunctionDef
Assignment = ast.Assign | ast.AnnAssign
PROPERTIES = {"property", "cached_property"}
HEADINGS = ("Args", "Attributes", "Raises", "Returns", "Yields")


@cache
def parsed(module: str) -> tuple[str, ast.Module]:
    """A module's source and syntax tree; the native one's are its stub's."""
    path = ROOT / "src" / Path(*module.split("."))
    places = [path / "__init__.py", path.with_suffix(".py"), path.with_suffix(".pyi")]
    source = next(p for p in places if p.exists()).read_text(encoding="utf-8")
    return source, ast.parse(source)


@cache
def encoded_lines(module: str) -> list[bytes]:
    """A module's lines in UTF-8, in which syntax trees count their columns."""
    return parsed(module)[0].encode().splitlines(keepends=True)


def text_of(module: str, node: ast.expr | ast.stmt | None) -> str:
    """A piece of a module as it is written."""
    if node is None or node.end_lineno is None:
        return ""
    lines = encoded_lines(module)[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"".join(lines).decode()


def target(node: ast.stmt) -> ast.expr | None:
    """What a statement assigns to."""
    if isinstance(node, ast.Assign):
        return node.targets[0]
    return node.target if isinstance(node, ast.AnnAssign) else None


def assigned(node: ast.stmt) -> str:
    """The name that a statement assigns to, or nothing."""
    found = target(node)
    return found.id if isinstance(found, ast.Name) else ""


def flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, those below an `if` in its place."""
    for node in body:
        yield from [*flat(node.body), *flat(node.orelse)] if isinstance(node, ast.If) else [node]


def public(module: str) -> list[str]:
    """What a module lists in `__all__`."""
    for node in parsed(module)[1].body:
        if isinstance(node, Assignment) and assigned(node) == "__all__" and node.value:
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise SystemExit(f"{module} has no __all__")


def doc_after(body: list[ast.stmt], node: ast.stmt) -> str:
    """The string that stands behind an assignment."""
    for after in body[body.index(node) + 1 : body.index(node) + 2]:
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return inspect.cleandoc(str(after.value.value))
    return ""


@dataclass
class Symbol:
    """One public name: where users take it from, and where it is defined."""

    module: str
    name: str
    home: str
    nodes: list[ast.ClassDef | Function | Assignment]
    """The definition; before it its overloads, if it has any."""
    body: list[ast.stmt]
    """The statements among which it stands."""
    anchor: str = ""
    methods: dict[str, str] = field(default_factory=dict)
    """The anchors of a class's methods."""

    @property
    def node(self) -> ast.ClassDef | Function | Assignment:
        return self.nodes[-1]

    @property
    def doc(self) -> str:
        if isinstance(self.node, Assignment):
            return doc_after(self.body, self.node)
        if self.home == "opuscule._native":
            return inspect.getdoc(getattr(importlib.import_module(self.home), self.name)) or ""
        return ast.get_docstring(self.node) or ""

    @property
    def bases(self) -> list[str]:
        return (
            [ast.unparse(b) for b in self.node.bases] if isinstance(self.node, ast.ClassDef) else []
        )

    @property
    def is_dataclass(self) -> bool:
        node = self.node
        return isinstance(node, ast.ClassDef) and any(
            "dataclass" in ast.unparse(d) for d in node.decorator_list
        )


def find(module: str, name: str, home: str = "") -> Symbol:
    """Follow a name to where it is defined."""
    home = home or module
    body = list(flat(parsed(home)[1].body))
    nodes: list[ast.ClassDef | Function | Assignment] = []
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opuscule"):
            if any((alias.asname or alias.name) == name for alias in node.names):
                return find(module, name, node.module or "")
        elif (isinstance(node, Function | ast.ClassDef) and node.name == name) or (
            isinstance(node, Assignment) and assigned(node) == name
        ):
            nodes.append(node)
    if not nodes:
        raise SystemExit(f"{module}.{name} is not found in {home}")
    return Symbol(module, name, home, nodes, body)


def kinds(node: Function) -> set[str]:
    """What decorates a function."""
    return {ast.unparse(decorator) for decorator in node.decorator_list}


def methods(node: ast.ClassDef) -> dict[str, list[Function]]:
    """A class's public methods by name, each with its overloads before it.

    Of the special ones, those that say something: the others do what the data model says.
    """
    found: dict[str, list[Function]] = {}
    for item in node.body:
        if not isinstance(item, Function) or PROPERTIES & kinds(item):
            continue
        if item.name[0] != "_" or (item.name[:2] == "__" and ast.get_docstring(item)):
            found.setdefault(item.name, []).append(item)
    return found


def calls(nodes: list[Function]) -> list[Function]:
    """The signatures to show: the overloads, or else the only one."""
    return nodes[:-1] or nodes


@dataclass
class Attribute:
    """A field, property or other attribute of a class."""

    name: str
    type: str
    default: str
    doc: str


def attributes(symbol: Symbol) -> Iterator[Attribute]:
    """A class's fields and properties, and what its methods assign to `self`."""
    node, home = symbol.node, symbol.home
    if not isinstance(node, ast.ClassDef):
        return
    known: set[str] = set()
    for item in node.body:
        name = assigned(item)
        if isinstance(item, Assignment) and name and name[0] != "_":
            kind = text_of(home, item.annotation) if isinstance(item, ast.AnnAssign) else ""
            known.add(name)
            yield Attribute(name, kind, text_of(home, item.value), doc_after(node.body, item))
        elif isinstance(item, Function) and item.name[0] != "_" and PROPERTIES & kinds(item):
            kind, doc = text_of(home, item.returns), ast.get_docstring(item) or ""
            yield Attribute(item.name, kind, "", doc)
    arguments = {
        name for kind, text in sections(symbol.doc) if kind == "Args" for name, _ in entries(text)
    }
    for item in node.body:
        if not isinstance(item, Function):
            continue
        types = {
            a.arg: text_of(home, a.annotation) for a in [*item.args.args, *item.args.kwonlyargs]
        }
        for step in item.body:
            at = target(step)
            if not (isinstance(at, ast.Attribute) and ast.unparse(at.value) == "self"):
                continue
            if at.attr[0] != "_" and at.attr not in known:
                known.add(at.attr)
                stated = step.annotation if isinstance(step, ast.AnnAssign) else None
                kind = (
                    text_of(home, stated)
                    or types.get(at.attr, "")
                    or made_by(getattr(step, "value", None))
                )
                given = "As given." if at.attr in arguments else ""
                yield Attribute(at.attr, kind, "", doc_after(item.body, step) or given)


def made_by(value: ast.expr | None) -> str:
    """The class of what a call makes, as far as its name tells."""
    name = ast.unparse(value.func).split(".")[0] if isinstance(value, ast.Call) else ""
    return name if name[:1].isupper() else ""


def signature(home: str, node: Function, name: str) -> str:
    """A call as the source has it, without `self`, one argument a line where it is long."""
    lines = parsed(home)[0].splitlines(keepends=True)
    first, last, body = node.lineno - 1, node.body[0].lineno - 1, node.body[0].col_offset
    head = lines[first:last] if last > first else [lines[first][:body]]
    text = " ".join(re.sub(r"  # .*", "", "".join(head)).split()).removesuffix(":").strip()
    text = re.sub(r"^(async )?def \w+(\[.*?\])?\(", rf"\1{name}(", text)
    text = re.sub(r"\( ", "(", re.sub(r",? \)", ")", text))
    text = re.sub(r"\((self|cls)(, )?", "(", text, count=1).removesuffix(" -> None")
    return text if len(text) <= WIDTH else broken(text)


def broken(text: str) -> str:
    """A call with each argument on a line of its own."""
    begin = at = text.index("(") + 1
    depth, parts = 1, []
    for i, letter in enumerate(text[begin:], begin):
        depth += (letter in "([{") - (letter in ")]}")
        if (letter == "," and depth == 1) or depth == 0:
            parts.append(text[at:i].strip())
            at = i + 1
        if depth == 0:
            break
    inner = "".join(f"    {part},\n" for part in parts if part)
    return f"{text[:begin]}\n{inner}){text[at:]}"


def sections(doc: str) -> list[tuple[str, str]]:
    """A docstring's parts in order: headings with what is indented below, text without any."""
    found = re.split(rf"^({'|'.join(HEADINGS)}):\n((?: {{4}}.*\n|\n)+)", f"{doc}\n", flags=re.M)
    parts = [("", found[0])]
    for heading, below, after in zip(found[1::3], found[2::3], found[3::3], strict=True):
        parts += [(heading, inspect.cleandoc(f"\n{below}")), ("", after)]
    return [(heading, text.strip()) for heading, text in parts if text.strip()]


def entries(section: str) -> Iterator[tuple[str, str]]:
    """The names in a section and what is said of each."""
    for entry in re.split(r"\n(?=\S)", section):
        name, _, text = entry.partition(":")
        yield name.strip(), " ".join(text.split())
