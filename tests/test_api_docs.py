"""The API's pages are what the sources say, and the sources say something of every public name."""

import ast
import importlib
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import opuscule

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "api"


@pytest.fixture(scope="module")
def tool() -> Iterator[dict[str, Any]]:
    """What tools/make_api.py defines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield runpy.run_path(str(ROOT / "tools" / "make_api.py"))


@pytest.fixture(scope="module")
def writer(tool: dict[str, Any]) -> Any:
    return tool["Writer"]()


def test_the_pages_are_current(writer: Any) -> None:
    texts = writer.texts()
    assert {path.name for path in FOLDER.iterdir()} == set(texts)
    for name, text in texts.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "run tools/make_api.py"


def test_every_public_name_says_something(writer: Any) -> None:
    assert writer.gaps() == []


def listed(tool: dict[str, Any]) -> set[str]:
    return {module for _, _, modules in tool["PAGES"].values() for module in modules}


def test_every_name_of_the_package_itself_is_on_a_page(tool: dict[str, Any], writer: Any) -> None:
    on_pages = {(s.home, s.name) for symbols in writer.pages.values() for s in symbols}
    assert len(writer.top) == len(opuscule.__all__) - len(tool["NOT_LISTED"])
    assert writer.top <= on_pages


def test_the_names_are_those_of_the_modules(tool: dict[str, Any], writer: Any) -> None:
    for symbol in (s for symbols in writer.pages.values() for s in symbols):
        assert hasattr(importlib.import_module(symbol.module), symbol.name), symbol
    for module in listed(tool):
        assert set(importlib.import_module(module).__all__) == set(tool["public"](module))


def shown_code() -> Iterator[str]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        yield from re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    for example in (ROOT / "examples").glob("*.py"):
        yield example.read_text(encoding="utf-8")


def test_what_guides_and_examples_import_is_on_a_page(tool: dict[str, Any]) -> None:
    used = set()
    for code in shown_code():
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("opuscule"):
                used |= {(str(node.module), alias.name) for alias in node.names}
    assert used
    for module, name in used:
        if f"{module}.{name}" not in listed(tool):  # else a module, whose names are there
            assert module == "opuscule" or module in listed(tool), module
            assert name in tool["public"](module)


def test_links_between_the_pages_lead_somewhere(tool: dict[str, Any]) -> None:
    there: dict[Path, set[str]] = {}
    for path in [*FOLDER.iterdir(), *(ROOT / "docs").glob("*.md")]:
        used = tool["Counter"]()
        headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
        there[path.resolve()] = {tool["anchor"](heading, used) for heading in headings}
    for path in FOLDER.iterdir():
        text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            page = (path.parent / name).resolve() if name else path.resolve()
            assert page in there, f"{path.name} links to {target}"
            assert not anchor or anchor in there[page], f"{path.name} links to {target}"
