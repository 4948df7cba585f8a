"""Build ui/labextension, the front end for JupyterLab and Notebook, and record from which sources it was built."""

# ruff: noqa: T201, INP001 - a script; printing is what it is for

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

_UI = Path(__file__).parents[1] / "ui"
_SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "core", "src", "style")
_RECORD = _UI / "labextension" / "built-from.json"


def main() -> int:
    """Install the locked packages, build, and write the digests."""
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        if status := subprocess.run(command, cwd=_UI, check=False).returncode:
            return status
    _RECORD.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
    print(f"{_RECORD.parent} is built.")
    return 0


def digests() -> dict[str, str]:
    """SHA-256 of the sources and of the built files: names and contents, whatever the line ends in the checkout."""
    built = (path for path in (_UI / "labextension").rglob("*") if path.is_file() and path != _RECORD)
    sources = [path for name in _SOURCES for path in [_UI / name, *(_UI / name).rglob("*")] if path.is_file()]
    return {"sources": _digest(sources), "built": _digest(list(built))}


def recorded() -> dict[str, str]:
    """The digests at the last build."""
    found: dict[str, str] = json.loads(_RECORD.read_text(encoding="utf-8"))
    return found


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(_UI).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
