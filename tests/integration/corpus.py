"""Cells, each with the Python that proves what it exports."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

__all__ = ["SAMPLES", "Sample"]


@dataclass(frozen=True)
class Sample:
    """One cell.

    Attributes:
        name: what it shows.
        body: the text below the ``%%rust`` line.
        proof: Python that fails unless the cell did what it should.
        line: options.
    """

    name: str
    body: str
    proof: str
    line: str = ""


def _sample(name: str, body: str, proof: str, line: str = "") -> Sample:
    return Sample(name, dedent(body).strip("\n"), dedent(proof).strip("\n"), line)


SAMPLES = (
    _sample("pyfunction", "#[pyfunction] fn s01(x: i64) -> i64 { x + 1 }", "assert s01(2) == 3"),
    _sample(
        "pyclass with pymethods",
        """
        #[pyclass(get_all)] struct S02 { x: f64 }
        #[pymethods] impl S02 {
            #[new] fn new(x: f64) -> Self { S02 { x } }
            fn twice(&self) -> f64 { self.x * 2.0 }
            #[staticmethod] fn zero() -> Self { S02 { x: 0.0 } }
            fn __repr__(&self) -> String { format!("S02({})", self.x) }
        }
        """,
        "assert S02(2.5).twice() == 5.0 and repr(S02.zero()) == 'S02(0)' and S02(1.0).x == 1.0",
    ),
    _sample(
        "pyclass enum, plain and complex",
        """
        #[pyclass(eq, eq_int)] #[derive(PartialEq)] enum S03Colour { Red, Green = 7 }
        #[pyclass] enum S03Shape { Circle { radius: f64 }, Empty() }
        """,
        "assert S03Colour.Green == 7 and S03Shape.Circle(2.0).radius == 2.0 and isinstance(S03Shape.Empty(), S03Shape)",
    ),
    _sample(
        "exception",
        """
        use pyo3::create_exception;
        create_exception!(cell, S04Error, pyo3::exceptions::PyValueError, "What went wrong.");
        #[pyfunction] fn s04() -> PyResult<()> { Err(S04Error::new_err("no")) }
        """,
        """
        try: s04()
        except S04Error as error: assert isinstance(error, ValueError) and str(error) == "no"
        else: raise AssertionError
        """,
    ),
    _sample(
        "exported constants",
        """
        #[pymodule_export] const S05_SIZE: usize = 12;
        #[pymodule_export] pub const S05_NAME: &str = "wide";
        #[pyfunction] fn s05() -> usize { S05_SIZE }
        """,
        "assert S05_SIZE == s05() == 12 and S05_NAME == 'wide'",
    ),
    _sample(
        "declarative pymodule",
        """
        #[pymodule]
        mod s06_module {
            use pyo3::prelude::*;
            #[pyfunction] fn s06(x: i64) -> i64 { x * 6 }
            #[pymodule_export] const S06: i64 = 6;
        }
        """,
        "assert s06(7) == 42 and S06 == 6 and s06_module.s06(1) == 6; import s06_module as m; assert m is s06_module",
    ),
    _sample(
        "pymodule function",
        """
        #[pyfunction] fn s07() -> &'static str { "seven" }
        #[pymodule]
        fn s07_module(m: &Bound<'_, PyModule>) -> PyResult<()> { m.add_function(wrap_pyfunction!(s07, m)?) }
        """,
        "assert s07() == s07_module.s07() == 'seven'",
    ),
    _sample(
        "pymodule with a Python name",
        """
        #[pymodule] #[pyo3(name = "s08_python")]
        mod s08_rust { use pyo3::prelude::*; #[pyfunction] fn s08() -> i64 { 8 } }
        """,
        "assert s08() == 8 and s08_python.s08() == 8 and 's08_rust' not in globals()",
    ),
    _sample(
        "plain pub functions",
        """
        pub fn s09(x: f64) -> f64 { s09_half(x) }
        fn s09_half(x: f64) -> f64 { x / 2.0 }
        pub(crate) fn s09_private() {}
        #[allow(dead_code)] fn s09_calls() { s09_private() }
        """,
        "assert s09(3.0) == 1.5 and 's09_half' not in globals() and 's09_private' not in globals()",
    ),
    _sample(
        "pub(crate) with pyfunction",
        "#[pyfunction] pub(crate) fn s10() -> i64 { 10 }",
        "assert s10() == 10",
    ),
    _sample(
        "doc comments and signature",
        """
        /// Adds two numbers.
        ///
        /// Second paragraph.
        #[pyfunction]
        #[pyo3(signature = (a, b=2, *, c=None))]
        fn s11(a: i64, b: i64, c: Option<i64>) -> i64 { a + b + c.unwrap_or(0) }
        """,
        """
        import inspect
        assert s11.__doc__.startswith("Adds two numbers.") and "Second" in s11.__doc__
        assert str(inspect.signature(s11)) == "(a, b=2, *, c=None)" and s11(1) == 3 and s11(1, c=3) == 6
        """,
    ),
    _sample(
        "nested modules",
        """
        mod s12_inner {
            use pyo3::prelude::*;
            #[pyfunction] pub fn s12_hidden() -> i64 { 1 }
            pub mod deeper { pub fn value() -> i64 { 12 } }
        }
        #[pyfunction] fn s12() -> i64 { s12_inner::deeper::value() + s12_inner::s12_hidden() - 1 }
        """,
        "assert s12() == 12 and 's12_hidden' not in globals()",
    ),
    _sample(
        "raw identifiers",
        "#[pyfunction] fn r#match(r#type: i64) -> i64 { r#type + 13 }\n#[pyfunction] fn s13() -> i64 { r#match(0) }",
        "assert s13() == 13 and globals()['match'](r'' and 0 or 1) == 14",
    ),
    _sample(
        "generics, traits and impl blocks",
        """
        use std::ops::Add;
        fn s14_generic<T: Add<Output = T>>(a: T, b: T) -> T { a + b }
        pub struct Pair(i64, i64);
        impl Pair { pub fn sum(&self) -> i64 { s14_generic(self.0, self.1) } }
        pub fn s14(a: i64, b: i64) -> i64 { Pair(a, b).sum() }
        """,
        "assert s14(10, 4) == 14 and 's14_generic' not in globals()",
    ),
    _sample(
        "attributes inside comments and strings",
        """
        /* #[pyfunction] fn s15_commented() {} /* nested #[pyclass] struct X; */ */
        // #[pyfunction] fn s15_line() {}
        const TEXT: &str = r#"#[pyfunction] fn s15_quoted() {}"#;
        #[pyfunction] fn s15() -> usize { TEXT.len() }
        """,
        "assert s15() == 34 - 2 and not {'s15_commented', 's15_line', 's15_quoted'} & set(globals())",
    ),
    _sample(
        "inner attributes and inner docs",
        """
        //! The module's documentation.
        #![allow(non_snake_case)]
        #![deny(unused_variables)]
        #[pyfunction] fn S16(Wert: i64) -> i64 { Wert }
        """,
        'assert S16(16) == 16 and S16.__self__.__doc__ == "The module\'s documentation."',
    ),
    _sample(
        "macro_rules",
        """
        macro_rules! square { ($x:expr) => { $x * $x }; }
        #[pyfunction] fn s17(x: i64) -> i64 { square!(x + 1) }
        """,
        "assert s17(3) == 16",
    ),
    _sample(
        "cfg on items",
        """
        #[cfg(unix)] #[pyfunction] fn s18() -> &'static str { "unix" }
        #[cfg(not(unix))] #[pyfunction] fn s18() -> &'static str { "other" }
        #[cfg(any())] #[pyfunction] fn s18_never() -> i64 { 0 }
        """,
        "import os; assert s18() == ('unix' if os.name == 'posix' else 'other') and 's18_never' not in globals()",
    ),
    _sample(
        "pyo3 names",
        """
        #[pyfunction] #[pyo3(name = "s19_python")] fn s19_rust() -> i64 { 19 }
        #[pyclass(name = "S19Python")] struct S19Rust;
        """,
        "assert s19_python() == 19 and S19Python.__name__ == 'S19Python' and 's19_rust' not in globals()",
    ),
    _sample(
        "PyO3's cfgs",
        """
        #[cfg(Py_3_10)] #[pyfunction] fn s20() -> bool { cfg!(not(Py_3_9)) }
        #[cfg(not(Py_3_10))] #[pyfunction] fn s20() -> bool { true }
        #[pyfunction] fn s20_free_threaded() -> bool { cfg!(Py_GIL_DISABLED) }
        """,
        "import sysconfig; assert s20() is False and s20_free_threaded() == bool(sysconfig.get_config_var('Py_GIL_DISABLED'))",
    ),
    _sample(
        "a prelude of its own",
        "use pyo3::prelude::*;\nuse pyo3::types::PyDict;\n"
        "#[pyfunction] fn s21(d: &Bound<'_, PyDict>) -> PyResult<usize> { d.set_item(1, 2)?; Ok(d.len()) }",
        "d = {}; assert s21(d) == 1 and d == {1: 2}",
    ),
    _sample(
        "forbid(unsafe_code) and deny(warnings)",
        """
        #![forbid(unsafe_code)]
        #![deny(warnings, missing_docs)]
        //! Documented.
        /// Documented too.
        #[pyfunction] pub fn s22() -> i64 { 22 }
        """,
        "assert s22() == 22",
    ),
    _sample(
        "async functions",
        "#[pyfunction] async fn s23(x: i64) -> i64 { x + 23 }",
        """
        try: s23(1).send(None)
        except StopIteration as stop: assert stop.value == 24
        """,
    ),
    _sample("edition 2021", "#[pyfunction] fn s24(gen: i64) -> i64 { gen }", "assert s24(24) == 24", "--edition 2021"),
    _sample(
        "a named module",
        "#[pyfunction] fn s25() -> i64 { 25 }",
        "import s25_module; assert s25_module.s25() == 25 and s25_module.__name__ == 's25_module'",
        "-m s25_module",
    ),
    _sample(
        "tests and main beside functions",
        """
        #[pyfunction] fn s26() -> i64 { 26 }
        #[cfg(test)] mod tests { #[test] fn works() { assert_eq!(super::s26(), 26); } }
        """,
        "assert s26() == 26",
    ),
    _sample(
        "unicode",
        '#[pyfunction] fn s27(größe: &str) -> String { format!("{größe} — ✓ 数") }',
        "assert s27('ä') == 'ä — ✓ 数'",
    ),
    _sample(
        "interior lifetimes, closures and iterators",
        """
        #[pyfunction] fn s28(words: Vec<String>) -> Option<String> {
            words.iter().max_by_key(|w| w.chars().count()).cloned()
        }
        """,
        "assert s28(['a', 'ccc', 'bb']) == 'ccc' and s28([]) is None",
    ),
    _sample(
        "inheritance and iteration",
        """
        #[pyclass(subclass)] struct S29Base { n: i64 }
        #[pymethods] impl S29Base { #[new] fn new(n: i64) -> Self { Self { n } } fn get(&self) -> i64 { self.n } }
        #[pyclass(extends = S29Base)] struct S29Sub;
        #[pymethods] impl S29Sub {
            #[new] fn new() -> PyClassInitializer<Self> { PyClassInitializer::from(S29Base { n: 29 }).add_subclass(S29Sub) }
            fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> { slf }
            fn __next__(&self) -> Option<i64> { None }
        }
        """,
        "assert S29Sub().get() == 29 and list(S29Sub()) == [] and isinstance(S29Sub(), S29Base)",
    ),
    _sample(
        "debug profile",
        "#[pyfunction] fn s30() -> bool { cfg!(debug_assertions) }",
        "assert s30() is True",
        "--debug",
    ),
    _sample(
        "optimised by default", "#[pyfunction] fn s31() -> bool { cfg!(debug_assertions) }", "assert s31() is False"
    ),
    _sample(
        "features of the cell's package",
        """
        ---
        [features]
        loud = []
        [lints.rust]
        unused_variables = "allow"
        [profile.release]
        opt-level = 1
        ---
        #[pyfunction] fn s32() -> bool { let unused = 1; cfg!(feature = "loud") }
        """,
        "assert s32() is True",
        "--features loud",
    ),
    _sample("windows line ends", "#[pyfunction]\r\nfn s33() -> i64 {\r\n    33\r\n}\r\n", "assert s33() == 33"),
    _sample(
        "attributes on several lines with comments between",
        """
        #[pyfunction] // why
        // a line
        #[pyo3(
            name = "s34",
        )]
        /* and a block */
        #[allow(clippy::all)]
        pub fn thirty_four(
            x: i64, // first
        ) -> i64 { x }
        """,
        "assert s34(34) == 34",
    ),
    _sample(
        "path attributes",
        "#[pyo3::pyfunction] fn s35() -> i64 { 35 }\n#[::pyo3::pyclass] struct S35;",
        "assert s35() == 35 and S35.__name__ == 'S35'",
    ),
)
