"""Writes docs/api, a page for each job, from the public names of opuscule and what they say.

The tests hold the pages to this, and fail for a public name that says nothing of itself.
"""

import ast
import inspect
import re
import sys
from collections import Counter

from api_source import (
    ROOT,
    Assignment,
    Attribute,
    Function,
    Symbol,
    attributes,
    calls,
    entries,
    find,
    kinds,
    methods,
    parsed,
    public,
    sections,
    signature,
    text_of,
)

FOLDER = ROOT / "docs" / "api"

# What is on which page: its title, what to read first, and the modules whose names it has.
PAGES = {
    "codec": (
        "Encode and decode",
        "Guides: [Encode and decode](../codec.md), [Filling in what is lost](../concealment.md).",
        ["opuscule.codec"],
    ),
    "packets": (
        "Packets",
        "Guide: [Taking packets apart](../packets.md).",
        ["opuscule.packets", "opuscule.framing", "opuscule.wire.stamped", "opuscule.units"],
    ),
    "files": (
        "Files",
        """Guides: [Reading any file of Opus](../reading.md), [Ogg files](../containers.md),
[Repair a recording](../repair.md).""",
        [
            "opuscule.transcode",
            "opuscule.containers.opening",
            "opuscule.containers.detect",
            "opuscule.containers.ogg",
            "opuscule.containers.raw",
            "opuscule.containers.wav",
            "opuscule.containers.media",
            "opuscule.containers.pcm",
            "opuscule.inspection",
        ],
    ),
    "playout": (
        "Playout",
        """Packets that come in any order, late or not at all become sound in time. Guides:
[Playout](../playout.md), [Why a call sounded bad](../measuring-playout.md).""",
        ["opuscule.playout", "opuscule.realtime", "opuscule.mixer", "opuscule.measure.playout"],
    ),
    "talk": (
        "Talk",
        "Device and server. What goes over the wire: [the protocol](../protocol.md).",
        [
            "opuscule.client",
            "opuscule.sync",
            "opuscule.server",
            "opuscule.handlers",
            "opuscule.devices",
            "opuscule.testing",
        ],
    ),
    "link": (
        "The link without a network",
        "[The protocol](../protocol.md) as values: bytes and time in, events and bytes out.",
        ["opuscule.link", "opuscule.wire", "opuscule.wire.messages", "opuscule.clock"],
    ),
    "archive": (
        "Archive",
        """Guide: [The archive in use](../archive.md). What is on the disk:
[the archive's format](../archive-format.md).""",
        [
            "opuscule.archive",
            "opuscule.archive.reading.moments",
            "opuscule.archive.reading.positions",
            "opuscule.archive.storage.writer",
            "opuscule.plot",
        ],
    ),
    "levels": (
        "Levels and activity",
        "Guide: [Levels and activity](../levels.md).",
        ["opuscule.levels", "opuscule.activity"],
    ),
    "errors": (
        "Errors",
        "What they say and what to do: [Troubleshooting](../troubleshooting.md).",
        ["opuscule.errors"],
    ),
}
# Of the top module: a module, whose names are listed, and a number.
NOT_LISTED = {"errors", "__version__"}
LONGEST_VALUE = 400
INDEX_HEAD = """\
Every public name, with what it takes, gives and raises. [The guides](../README.md) show how the
parts work together. The code at each name says where it is imported from; `opuscule.__version__` is
the release. These pages are written by `tools/make_api.py` from signatures and docstrings.\
"""


class Writer:
    """Makes the pages; knows every public name, so that they can link to one another."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Symbol]] = {}
        seen: set[tuple[str, str]] = set()
        for page, (_, _, modules) in PAGES.items():
            self.pages[page] = []
            for module in modules:
                # What one calls comes first, then types and numbers; errors as they form a tree.
                found = [find(module, name) for name in public(module)]
                if page == "errors":
                    found.sort(key=lambda symbol: symbol.node.lineno)
                else:
                    found.sort(key=lambda symbol: isinstance(symbol.node, Assignment))
                # A name that two modules offer is told of once.
                new = [symbol for symbol in found if (symbol.home, symbol.name) not in seen]
                seen |= {(symbol.home, symbol.name) for symbol in new}
                self.pages[page] += new
        top = [find("opuscule", name) for name in public("opuscule") if name not in NOT_LISTED]
        self.top = {(symbol.home, symbol.name) for symbol in top}
        for listed in self.pages.values():
            used: Counter[str] = Counter(["contents"])
            for symbol in listed:
                symbol.anchor = anchor(symbol.name, used)
                if isinstance(symbol.node, ast.ClassDef):
                    for name in methods(symbol.node):
                        symbol.methods[name] = anchor(f"{symbol.name}.{name}", used)

    def gaps(self) -> list[str]:
        """Public names of which nothing is said."""
        silent = []
        for symbol in (s for listed in self.pages.values() for s in listed):
            place = f"{symbol.module}.{symbol.name}"
            silent += [] if symbol.doc else [place]
            if not isinstance(symbol.node, ast.ClassDef):
                continue
            # A TypedDict of another class's fields says which; an enum's names may say enough.
            if not {"TypedDict", "Enum", "IntEnum", "StrEnum", "Flag"} & set(symbol.bases):
                silent += [f"{place}.{a.name}" for a in attributes(symbol) if not a.doc]
            for name, nodes in methods(symbol.node).items():
                silent += [] if ast.get_docstring(nodes[-1]) else [f"{place}.{name}"]
        return silent

    def link(self, page: str, role: str, reference: str, inside: Symbol) -> str:
        """What a docstring refers to, as a link where it is on a page."""
        *path, name = reference.lstrip("~.").split(".")
        shown = f"`{name if reference[0] == '~' else reference}`"
        if role == "meth" and (not path or path[-1] == inside.name) and name in inside.methods:
            return f"[{shown}](#{inside.methods[name]})"
        for other in [page, *self.pages]:
            there = "" if other == page else f"{other}.md"
            for symbol in self.pages[other]:
                if symbol.name == name and role in ("class", "func", "data"):
                    return f"[{shown}]({there}#{symbol.anchor})"
                if path and symbol.name == path[-1] and name in symbol.methods:
                    return f"[{shown}]({there}#{symbol.methods[name]})"
        return shown

    def prose(self, page: str, text: str, inside: Symbol) -> str:
        """A docstring's text as Markdown."""
        text = re.sub(r"::\n\n((?: {4}.*\n?|\n)+)", _block, text)
        parts = re.split(r"(```py.*?```|``[^`]+``|:\w+:`[^`]+`)", text, flags=re.S)
        for i, part in enumerate(parts):
            if found := re.fullmatch(r":(\w+):`([^`]+)`", part):
                parts[i] = self.link(page, found[1], found[2], inside)
            elif i % 2 == 0:
                # Not in what is indented, which is shown as it is.
                parts[i] = re.sub(r"(?m)^( {4}.*)$|([*<|])", _escaped, part)
            elif not part.startswith("```"):
                parts[i] = part[1:-1]
        return "".join(parts)

    def line(self, page: str, text: str, inside: Symbol) -> str:
        """The same on one line."""
        return " ".join(self.prose(page, text, inside).split())

    def body(self, page: str, doc: str, inside: Symbol) -> str:
        """A docstring as Markdown, its sections as lists."""
        out = []
        for heading, text in sections(doc):
            if heading in ("Args", "Attributes", "Raises"):
                rows = [(name, self.line(page, told, inside)) for name, told in entries(text)]
                if heading == "Raises":
                    named = [
                        (", ".join(self.error(page, n) for n in k.split(", ")), t) for k, t in rows
                    ]
                else:
                    named = [(f"`{name}`", told) for name, told in rows]
                title = "Arguments" if heading == "Args" else heading
                out.append(f"{title}:\n\n" + "\n".join(f"- {n}: {t}" for n, t in named))
            elif heading:
                out.append(f"{heading}: {self.line(page, text, inside)}")
            else:
                out.append(self.prose(page, text, inside))
        return "\n\n".join(out)

    def error(self, page: str, name: str) -> str:
        """An error's name, as a link if it is one of ours."""
        return self.link(page, "class", name, self.pages["errors"][0])

    def symbol(self, page: str, symbol: Symbol) -> str:
        """One name with all that is to say of it."""
        node, home = symbol.node, symbol.home
        taken = "opuscule" if (home, symbol.name) in self.top else symbol.module
        code = [f"from {taken} import {symbol.name}"]
        out = []
        if isinstance(node, ast.ClassDef):
            init = [n for n in node.body if isinstance(n, Function) and n.name == "__init__"]
            if init and page != "errors":
                code += ["", signature(home, init[-1], symbol.name)]
            elif symbol.bases:
                code += ["", f"class {symbol.name}({', '.join(symbol.bases)})"]
        elif isinstance(node, Function):
            nodes = [n for n in symbol.nodes if isinstance(n, Function)]
            code += ["", *(signature(home, n, symbol.name) for n in calls(nodes))]
        else:
            shown = text_of(home, node).replace(": TypeAlias", "")
            code += ["", shown] if len(shown) < LONGEST_VALUE and "= object" not in shown else []
        out.append("### `{}`\n\n```py\n{}\n```".format(symbol.name, "\n".join(code)))
        out.append(self.body(page, symbol.doc, symbol))
        if rows := [self.attribute(page, symbol, found) for found in attributes(symbol)]:
            is_enum = any("Enum" in base or base.endswith("Flag") for base in symbol.bases)
            fields = symbol.is_dataclass or "TypedDict" in symbol.bases
            title = "Values" if is_enum else "Fields" if fields else "Attributes"
            out.append(f"{title}:\n\n" + "\n".join(rows))
        if isinstance(node, ast.ClassDef):
            out += [self.method(page, symbol, name, m) for name, m in methods(node).items()]
        return "\n\n".join(part for part in out if part)

    def attribute(self, page: str, symbol: Symbol, found: Attribute) -> str:
        """A field, with its type and default."""
        kind = f": {found.type}" if found.type else ""
        value = f" = {found.default}" if found.default else ""
        code = " ".join(f"{found.name}{kind}{value}".split())
        parts = [f"{title}: {text}" if title else text for title, text in sections(found.doc)]
        told = self.line(page, " ".join(parts), symbol)
        return f"- `{code}`: {told}" if told else f"- `{code}`"

    def method(self, page: str, symbol: Symbol, name: str, nodes: list[Function]) -> str:
        """A class's method."""
        title = f"{symbol.name}.{name}"
        code = "\n".join(signature(symbol.home, n, title) for n in calls(nodes))
        note = "A class method. " if "classmethod" in kinds(nodes[-1]) else ""
        told = self.body(page, ast.get_docstring(nodes[-1]) or "", symbol)
        return f"#### `{title}`\n\n```py\n{code}\n```\n\n{note}{told}"

    def contents(self, page: str, there: str = "") -> str:
        """Every name on a page, with the first sentence about it."""
        rows = []
        modules = [symbol.module for symbol in self.pages[page]]
        for before, symbol in zip(["", *modules], self.pages[page], strict=False):
            if symbol.module != before and len(set(modules)) > 1:
                rows.append(f"\n[{symbol.module}]({there}#{symbol.module.replace('.', '')})\n")
            first = re.split(r"(?<=[.;:])\s", symbol.doc.split("\n\n")[0], maxsplit=1)[0]
            told = re.sub(r"\[(`[^`]+`)\]\([^)]*\)", r"\1", self.line(page, first, symbol))
            rows.append(f"- [`{symbol.name}`]({there}#{symbol.anchor}): {told.rstrip('.;:')}")
        return "\n".join(rows).lstrip("\n")

    def page(self, page: str) -> str:
        """The text of one page."""
        title, about, modules = PAGES[page]
        out = [f"# API: {title}", f"{about} [All pages](README.md).", "## Contents"]
        out.append(self.contents(page))
        for module in modules:
            if listed := [symbol for symbol in self.pages[page] if symbol.module == module]:
                about = ast.get_docstring(parsed(module)[1]) or ""
                out += [f"## {module}", self.prose(page, about, listed[0])]
                out += [self.symbol(page, symbol) for symbol in listed]
        out += [codes()] if page == "errors" else []
        return "\n\n".join(out) + "\n"

    def index(self) -> str:
        """The text of the first page."""
        out = ["# API", INDEX_HEAD]
        for page, (title, _, _) in PAGES.items():
            out += [f"## [{title}]({page}.md)", self.contents(page, f"{page}.md")]
        return "\n\n".join(out) + "\n"

    def texts(self) -> dict[str, str]:
        """Every page by its file's name."""
        return {"README.md": self.index(), **{f"{page}.md": self.page(page) for page in PAGES}}


def codes() -> str:
    """The codes of the link's errors."""
    from opuscule.wire.messages import CLOSE_CODES, ErrorCode

    rows = [f"| `{code.value}` | {CLOSE_CODES[code]} |" for code in ErrorCode]
    return (
        "## Codes\n\nA side that ends a connection because of a fault says one of these"
        " ([what each means](../protocol.md#transport)). The other side gets it as the `code` of an"
        " [`ErrorReceived`](link.md#errorreceived), and its text in the message of a"
        " [`LinkClosedError`](#linkclosederror) or [`ConnectError`](#connecterror).\n\n"
        "| code | closes the WebSocket with |\n|---|---|\n" + "\n".join(rows) + "\n\n"
        "The `rule` of an [`InvalidPacketError`](#invalidpacketerror) is one of"
        " [these](../packets.md#what-is-no-packet)."
    )


def _escaped(found: re.Match[str]) -> str:
    return found[1] or f"\\{found[2]}"


def _block(found: re.Match[str]) -> str:
    return f":\n\n```py\n{inspect.cleandoc(chr(10) + found[1])}\n```\n"


def anchor(heading: str, used: Counter[str]) -> str:
    """The anchor that a heading gets where Markdown is shown, after those that are used up."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    used[plain] += 1
    return plain if used[plain] == 1 else f"{plain}-{used[plain] - 1}"


def main() -> None:
    """Write the pages, and name what is not documented."""
    writer = Writer()
    FOLDER.mkdir(exist_ok=True)
    for name, text in writer.texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    if silent := writer.gaps():
        sys.exit("without a docstring:\n" + "\n".join(silent))


if __name__ == "__main__":
    main()
