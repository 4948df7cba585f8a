"""Values of variables stay out of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Start

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

TOKEN, FLAG, REGISTRY = "token-3141592653", "flag-2718281828", "registry-1618033988"
CELL = """
pub fn known() -> (&'static str, bool) { (env!("TOKEN"), option_env!("ABSENT").is_none()) }
pub fn %s() {}
"""


@pytest.mark.slow
def test_values_stay_out_of_the_store(own_store: Path, start: Start) -> None:
    variables = {
        "TOKEN": TOKEN,
        "RUSTFLAGS": f'--cfg secret="{FLAG}" -C debuginfo=0',
        "CARGO_REGISTRIES_PRIVATE_TOKEN": REGISTRY,
    }
    kernel = start(PYO3MAGIC_STORE=str(own_store), **variables)
    for name, line in (("one", ""), ("two", ""), ("three", "-m named"), ("four", "-m named")):
        kernel.rust(CELL % name, line)
        assert kernel.value("known()") == (TOKEN, True)
    own = [
        path for path in own_store.rglob("*") if path.is_file() and "targets" not in path.relative_to(own_store).parts
    ]
    modules = {path for path in own if path.suffix in {".so", ".rs"}}
    assert any(TOKEN.encode() in path.read_bytes() for path in modules), "the cell itself asked for it"
    for path in set(own) - modules:
        content = path.read_bytes()
        for value in (TOKEN, FLAG, REGISTRY):
            assert value.encode() not in content, path
    # Without cargo, and after a change of the value.
    kernel.run("import os; os.environ['TOKEN'] = 'other'")
    kernel.rust(CELL % "one")
    assert kernel.value("known()") == ("other", True)
    kernel.run(f"os.environ['TOKEN'] = {TOKEN!r}")
    kernel.rust(CELL % "one")
    assert kernel.value("known()") == (TOKEN, True)
    # A store that has lost its key builds again.
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"x")):
        damage(own_store / "secret")
        later = start(PYO3MAGIC_STORE=str(own_store), **variables)
        later.rust(CELL % "one")
        assert later.value("known()") == (TOKEN, True)
        later.rust(CELL % "one")
        assert (own_store / "secret").stat().st_mode & 0o777 == 0o600
