"""Make build/docs: documents and executed notebooks as HTML; where Chromium is, also the pictures in docs/images."""

# ruff: noqa: T201, INP001 - a script; printing is what it is for
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import mistune
import nbformat
from lab_pictures import Picture, take
from run_notebook import execute, to_html

_ROOT = Path(__file__).parents[1]
_OUTPUT = _ROOT / "build" / "docs"
_IMAGES = _ROOT / "docs" / "images"
_STYLE = (
    "body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }"
    "pre, code { font-family: monospace; background: #8881 } pre code { background: none }"
    "pre { padding: .7rem; overflow-x: auto }"
    "table { border-collapse: collapse } td, th { border: 1px solid #8886; padding: .2rem .6rem; text-align: left }"
    "img { max-width: 100% } :root { color-scheme: light dark }"
)
# File, notebook, theme, text by which each of its cells is known.
_ERRORS = ("to_upper()", "let depth", "fn middle", "middle([])")
_LAB_PICTURES = (
    ("quickstart.png", "quickstart", "Light", ("fn longest_collatz", "collatz(27),", "longest_collatz?\n")),
    ("errors.png", "errors", "Light", _ERRORS),
    ("errors-dark.png", "errors", "Dark", _ERRORS),
)
# A plot is shown without its code.
_PICTURES = (("numpy_rayon.png", "numpy_rayon", "light", ("plt.show()",)),)
_CHROMIUM = tuple(
    f"--{option}"
    for option in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", "hide-scrollbars", "force-device-scale-factor=1.5"),
        *("virtual-time-budget=5000", "window-size=850,2400"),
    )
)


def main() -> int:
    """Make the pages; the exit status is 1 when a link leads nowhere."""
    shutil.rmtree(_OUTPUT, ignore_errors=True)
    (_OUTPUT / "notebooks").mkdir(parents=True)
    executed = {path.stem: _executed(path) for path in sorted((_ROOT / "notebooks").glob("*.ipynb"))}
    for name, notebook in executed.items():
        (_OUTPUT / "notebooks" / f"{name}.html").write_text(to_html(notebook), encoding="utf-8")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is not installed: the pictures in docs/images stay as they are.")
    else:
        _IMAGES.mkdir(exist_ok=True)
        for file, name, theme, texts in _PICTURES:
            picture(chromium, _IMAGES / file, executed[name], theme, texts)
        take([Picture(_IMAGES / file, name, theme, texts) for file, name, theme, texts in _LAB_PICTURES])
    for path in documents():
        page(path)
    shutil.copytree(_IMAGES, _OUTPUT / "docs" / "images", dirs_exist_ok=True)
    broken = [f"{path.relative_to(_ROOT)}: {link}" for path in documents() for link in broken_links(path)]
    print("\n".join([f"{_OUTPUT.relative_to(_ROOT)} is ready; begin with README.html", *broken]))
    return bool(broken)


def documents() -> list[Path]:
    """The Markdown files of the project."""
    return [_ROOT / "README.md", _ROOT / "CHANGELOG.md", *sorted((_ROOT / "docs").rglob("*.md"))]


def broken_links(path: Path) -> list[str]:
    """Links of a document to files or headings of this project that are not there."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, heading = link.partition("#")
        if "://" in file:
            continue
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (heading and heading not in _anchors(target)):
            broken.append(link)
    return broken


def page(path: Path) -> None:
    """Write a document as HTML; links to other documents and notebooks lead to their HTML."""
    text = re.sub(r"\]\(([\w./-]+)\.(?:md|ipynb)", r"](\1.html", path.read_text(encoding="utf-8"))
    body = str(mistune.create_markdown(escape=False, plugins=["table"])(text))
    body = re.sub(r"<h([1-6])>(.*?)</h\1>", lambda m: f'<h{m[1]} id="{_anchor(m[2])}">{m[2]}</h{m[1]}>', body)
    target = (_OUTPUT / path.relative_to(_ROOT)).with_suffix(".html")
    target.parent.mkdir(parents=True, exist_ok=True)
    title = html.escape(path.stem)
    target.write_text(
        f'<!doctype html><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>\n{body}', encoding="utf-8"
    )


def picture(chromium: str, file: Path, notebook: Any, theme: str, texts: tuple[str, ...]) -> None:
    """Take a picture of the cells of an executed notebook that have one of ``texts``."""
    from PIL import Image, ImageChops

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells = [next(cell for cell in code if text in f"{cell.source}\n") for text in texts]
    shown = nbformat.v4.new_notebook(metadata=notebook.metadata, cells=cells)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "page.html")
        source.write_text(to_html(shown, theme=theme, code="plt." not in texts[0]), encoding="utf-8")
        shot = Path(folder, "shot.png")
        options = [*_CHROMIUM, f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        subprocess.run([chromium, *options, source.as_uri()], check=True, capture_output=True, timeout=120)
        image = Image.open(shot).convert("RGB")
        background = Image.new("RGB", image.size, image.getpixel((2, 2)))
        box = ImageChops.difference(image, background).getbbox() or (0, 0, *image.size)
        image.crop((0, 0, image.width, min(box[3] + 20, image.height))).save(file, optimize=True)


def _executed(path: Path) -> Any:
    print(f"Executing {path.name}", flush=True)
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        execute(notebook, Path(folder))
    return notebook


def _anchors(path: Path) -> set[str]:
    return {_anchor(line.lstrip("# ")) for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"}


def _anchor(heading: str) -> str:
    """The name that GitHub gives a heading."""
    plain = re.sub(r"<[^>]*>|`", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
