"""``%%rust --emit``: what the compiler made of functions."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.errors import CellError, CompileError
from pyo3magic.programs.listings import read_assembly, read_llvm_ir, read_mir, symbol_names

if TYPE_CHECKING:
    from .conftest import Cells

_CELL = """
#[pyclass] struct Point { x: f64 }
#[pymethods] impl Point { #[new] fn new(x: f64) -> Self { Point { x } }
 #[inline(never)]
 fn norm(&self) -> f64 { (self.x * self.x).sqrt() } }
#[pyfunction]
fn fib(n: u64) -> u64 { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }
#[pyfunction]
fn add(a: i64, b: i64) -> i64 { helper(a) + b }
fn helper(a: i64) -> i64 { a * 2 }
"""

_IR = """
; cell::fib
; Function Attrs: nounwind
define internal i64 @_RNvCs1_4cell3fib(i64 %n) #0 !dbg !7 {
start:
    #dbg_value(i64 %n, !8, !DIExpression(), !9)
; call cell::other
  %0 = tail call i64 @_RNvCs1_4cell5other(i64 %n), !dbg !10
  ret i64 %0, !dbg !11
}

!1 = !DIFile(filename: "src/lib.rs", directory: "/x")
!7 = distinct !DISubprogram(name: "fib", scope: null, file: !1, line: 4, type: !2)
"""

_ASM = """\t.file\t1 "/x" "src/lib.rs"
\t.type\t_RNvCs1_4cell3fib,@function
_RNvCs1_4cell3fib:
.Lfunc_begin0:
\t.loc\t1 4 0
\t.cfi_startproc
\tcmp\trdi, 2
\tjb\t.LBB0_2
.LBB0_1:
.Ltmp0:
\tcall\t_RNvCs1_4cell5other
.LBB0_2:
\tret
\t.cfi_endproc
"""


def test_names_are_those_the_compiler_notes() -> None:
    names = symbol_names([_IR])
    assert names == {"_RNvCs1_4cell3fib": "cell::fib", "_RNvCs1_4cell5other": "cell::other"}


def test_llvm_ir_is_read() -> None:
    (found,) = (item.within("cell", Path("/x")) for item in read_llvm_ir(_IR, symbol_names([_IR])))
    assert (found.name, found.file, found.line) == ("fib", "src/lib.rs", 4)
    assert "!dbg" not in found.text
    assert "#dbg" not in found.text
    assert "call i64 @other(i64 %n)" in found.text


def test_assembly_is_read() -> None:
    (found,) = (item.within("cell", Path("/x")) for item in read_assembly(_ASM, symbol_names([_IR])))
    assert (found.name, found.file, found.line) == ("fib", "src/lib.rs", 4)
    words = [line.split() for line in found.text.splitlines()]
    assert words == [["cmp", "rdi,", "2"], ["jb", ".LBB0_2"], ["call", "other"], [".LBB0_2:"], ["ret"]]


def test_mir_is_read() -> None:
    text = "// WARNING\nfn fib(_1: u64) -> u64 {\n    return;\n}\n\nfn <impl at src/lib.rs:4:1: 4:9>::f(_1: &P) -> u8 {\n}\n"
    assert [(item.name, item.file, item.line) for item in read_mir(text, {})] == [
        ("fib", "", 0),
        ("<impl at src/lib.rs:4:1: 4:9>::f", "src/lib.rs", 4),
    ]


@pytest.mark.cargo
@pytest.mark.parametrize("kind", ["asm", "llvm-ir", "mir"])
def test_all_functions_in_the_cells_order_with_their_lines(cells: Cells, kind: str) -> None:
    answer = cells.emit(_CELL, kind)
    heads = [line for line in answer.text.splitlines() if line.endswith(")") and "(In[3]:" in line]
    assert [head for head in heads if "norm" in head or "fib" in head] == [
        next(head for head in heads if "norm" in head and head.endswith("(In[3]:6)")),
        "fib (In[3]:8)",
    ]
    assert answer.html.count("<details>") == len(heads)
    assert ("helper" in answer.note) is (kind != "mir")


@pytest.mark.cargo
@pytest.mark.parametrize("kind", ["asm", "llvm-ir", "mir"])
def test_one_function_demangled_and_unfolded(cells: Cells, kind: str) -> None:
    answer = cells.emit(_CELL, kind, "fib")
    assert answer.text.startswith("fib (In[3]:8)\n")
    assert "_RN" not in answer.text
    assert answer.html.startswith("<details open>")
    assert "norm" in cells.emit(_CELL, kind, "Point::norm").text


@pytest.mark.cargo
@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86-64")
def test_it_is_what_the_module_gets(cells: Cells) -> None:
    assert "sqrtsd" in cells.emit(_CELL, "asm", "norm").text


@pytest.mark.cargo
@pytest.mark.parametrize("kind", ["asm", "llvm-ir"])
def test_a_function_that_was_inlined_is_shown_as_a_function_of_its_own(cells: Cells, kind: str) -> None:
    answer = cells.emit(_CELL, kind, "add")
    assert answer.text.startswith("add (In[3]:10)\n")
    assert "`add` is inlined where it is called" in answer.note
    assert "#[inline(never)]" in answer.note


@pytest.mark.cargo
def test_the_wrapper_of_a_function_that_was_inlined(cells: Cells) -> None:
    head = cells.emit(_CELL, "asm", "__pyfunction_add").text.partition("\n")[0]
    assert "add" in head
    assert head.endswith(("(In[3])", "(In[3]:10)")), "a wrapper of PyO3's has no line in the cell"
    assert cells.emit(_CELL, "asm", "helper").text.startswith("helper (In[3]:11)")


@pytest.mark.cargo
def test_a_function_that_nothing_calls(cells: Cells) -> None:
    with pytest.raises(CellError, match="Nothing is left of `unused`") as caught:
        cells.emit("pub fn used() -> i32 { 1 }\nfn unused(x: i32) -> i32 { x * 3 }", "asm", "unused")
    assert "call it" in caught.value.advice


@pytest.mark.cargo
def test_a_function_of_another_crate_is_not_the_cells(cells: Cells) -> None:
    """smallvec has its code in a src/lib.rs, too."""
    body = """
    use smallvec::SmallVec;
    #[inline(never)]
    fn collect(n: u64) -> SmallVec<[u64; 4]> { let mut v = SmallVec::new(); for i in 0..n { v.push(i) } v }
    #[pyfunction] fn total(n: u64) -> u64 { collect(n).iter().sum() }
    """
    heads = [
        line for line in cells.emit(body, "asm", dependencies=("smallvec@1",)).text.splitlines() if "(In[3]" in line
    ]
    assert heads == ["collect (In[3]:5)"]


@pytest.mark.cargo
def test_a_function_that_is_not_there(cells: Cells) -> None:
    with pytest.raises(CellError, match="has no function `nope`") as caught:
        cells.emit(_CELL, "llvm-ir", "nope")
    assert "<Point>::norm, fib" in caught.value.advice
    with pytest.raises(CompileError):
        cells.emit("pub fn a() -> i32 { b() }", "asm", "a")
