"""What is built for which interpreter, and what a shipment of it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile

from pyo3magic.cell import Options
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.deploy import deploy
from pyo3magic.remote.target import Deadline, Description, Receipt
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyo3magic.remote.evaluation import Evaluation
    from pyo3magic.remote.target import Shipment

pytestmark = pytest.mark.cargo


class Shelf:
    """A target that only keeps what it is sent."""

    def __init__(self, *interpreters: Interpreter) -> None:
        self.interpreters = interpreters
        self.shipments: list[Shipment] = []

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        return self.interpreters

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        self.shipments.append(shipment)
        return Receipt((shipment.file.name,), shipment.file.size, "shelf")

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        return (shipment.alias or "nameless",)

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        raise NotImplementedError

    def describe(self, deadline: Deadline) -> Description:
        return Description("shelf", "here", "answers")

    def close(self) -> None:
        pass


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


@pytest.mark.parametrize(
    ("source", "module", "alias"),
    [
        ("pub fn f() {}", None, ""),
        ("pub fn f() {}", "named", "named"),
        ('#[pymodule] mod own { #[pymodule_export] const A: &str = "a"; }', None, "own"),
    ],
)
def test_alias_is_the_name_that_the_cell_has(session: Session, source: str, module: str | None, alias: str) -> None:
    shelf = Shelf(Interpreter.current())
    deploy(session, Options(module=module), source, shelf, timeout=10)
    assert shelf.shipments[0].alias == alias
    assert shelf.shipments[0].names == ()


def test_one_build_for_each_interpreter(session: Session) -> None:
    current = Interpreter.current()
    older = replace(current, ext_suffix=".cpython-310-x86_64-linux-gnu.so", version=(3, 10), full_version="3.10.1")
    shelf = Shelf(current, older)
    one, other = deploy(session, Options(), "pub fn f() -> i64 { 1 }", shelf, timeout=10)
    assert one.artifact.digest != other.artifact.digest
    assert [shipment.file.name.partition(".")[2] for shipment in shelf.shipments] == [
        current.ext_suffix.removeprefix("."),
        older.ext_suffix.removeprefix("."),
    ]


def test_what_is_sent_needs_no_other_file(session: Session) -> None:
    """A named cell is linked with a runtime here; there it must not be."""
    options, source = Options(module="standalone"), "pub fn f() -> i64 { 2 }"
    here = session.run(options, source, label="In[1]").artifact
    (deployed,) = deploy(session, options, source, Shelf(Interpreter.current()), timeout=10, here=here)
    assert not deployed.artifact.providers
    assert deployed.artifact.digest != here.digest or not here.providers
    assert here is session.named["standalone"]


def test_modules_are_sent_without_debug_information(session: Session) -> None:
    shelf = Shelf(Interpreter.current())
    deploy(session, Options(debug=True), "pub fn f() -> i64 { 3 }", shelf, timeout=10)
    assert shelf.shipments[0].file.size < 3_000_000
    with shelf.shipments[0].file.path.open("rb") as file:
        assert ELFFile(file).get_section_by_name(".debug_info") is None


def test_cells_that_were_only_sent_can_be_used_there(session: Session) -> None:
    shelf = Shelf(Interpreter.current())
    deploy(session, Options(module="base"), "pub fn one() -> i64 { 1 }", shelf, timeout=10)
    source = "#[pyfunction] fn two() -> i64 { 2 * base::one() }"
    (before,) = deploy(session, Options(), source, shelf, timeout=10)
    deploy(session, Options(module="base"), "pub fn one() -> i64 { 10 }", shelf, timeout=10)
    (after,) = deploy(session, Options(), source, shelf, timeout=10)
    assert before.artifact.digest != after.artifact.digest
    assert "base" not in session.named


def test_text_says_what_happened(session: Session) -> None:
    (deployed,) = deploy(session, Options(module="told"), "pub fn f() {}", Shelf(Interpreter.current()), timeout=10)
    assert deployed.text.startswith(f"{Interpreter.current().name}: told bound, ")
    assert deployed.text.endswith(" kB sent")
    assert replace(deployed, receipt=Receipt()).text.endswith("it was there already")
