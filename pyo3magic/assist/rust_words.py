"""Words that stand in any cell: Rust's keywords and prelude, PyO3's attributes, macros, prelude and types.

Sources: the Rust reference ("Keywords", "Preludes", "Attributes"), the documentation of ``std``, and PyO3's user guide
("Python classes", "Python functions", the tables of options) and ``pyo3::prelude``.
"""

from __future__ import annotations

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_OPTIONS",
    "CRATES",
    "KEYWORDS",
    "MACROS",
    "METHOD_ATTRIBUTES",
    "PATHS",
    "PRELUDE",
    "PYO3_PRELUDE",
]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KEYWORDS = _words(
    "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move "
    "mut pub ref return self Self static struct super trait true type unsafe use where while"
)
PRELUDE = {
    "trait": _words(
        "Copy Send Sized Sync Unpin Drop Fn FnMut FnOnce AsRef AsMut Into From TryFrom TryInto Default Iterator Extend "
        "IntoIterator DoubleEndedIterator ExactSizeIterator FromIterator Clone ToOwned ToString PartialEq Eq "
        "PartialOrd Ord"
    ),
    "struct": _words("Box String Vec"),
    "enum": _words("Option Result"),
    "enum member": _words("Some None Ok Err"),
    "type": _words("bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize"),
    "function": _words("drop"),
}
MACROS = _words(
    "assert! assert_eq! assert_ne! cfg! column! compile_error! concat! dbg! debug_assert! debug_assert_eq! "
    "debug_assert_ne! env! eprint! eprintln! file! format! format_args! include! include_bytes! include_str! line! "
    "macro_rules! matches! module_path! option_env! panic! print! println! stringify! thread_local! todo! "
    "unimplemented! unreachable! vec! write! writeln! create_exception! import_exception! intern! "
    "wrap_pyfunction! wrap_pymodule! append_to_inittab!"
)
PYO3_PRELUDE = {
    "struct": _words("Bound Borrowed Py PyAny PyErr PyModule PyRef PyRefMut Python"),
    "type": _words("PyObject PyResult"),
    "trait": _words(
        "FromPyObject IntoPyObject IntoPyObjectExt PyAnyMethods PyBoolMethods PyByteArrayMethods PyBytesMethods "
        "PyCapsuleMethods PyComplexMethods PyDictMethods PyFloatMethods PyFrozenSetMethods PyListMethods "
        "PyMappingMethods PyModuleMethods PySequenceMethods PySetMethods PySliceMethods PyStringMethods "
        "PyTracebackMethods PyTupleMethods PyTypeMethods"
    ),
}
ATTRIBUTES = _words(
    "pyfunction pyclass pymethods pymodule pymodule_init pymodule_export pyo3 derive allow cfg cfg_attr deny doc "
    "expect forbid inline must_use non_exhaustive repr should_panic test warn"
)
METHOD_ATTRIBUTES = _words("new getter setter staticmethod classmethod classattr pyo3 deleter")
_FUNCTION = _words("name pass_module signature text_signature crate warn")
_CLASS = _words(
    "constructor crate dict eq eq_int extends freelist from_py_object frozen generic get_all hash immutable_type "
    "mapping module name new ord rename_all sequence set_all skip_from_py_object str subclass unsendable weakref"
)
_ITEM = _words("get set attribute item transparent annotation from_item_all from_py_with default into_py_with")
_LINTS = _words(
    "dead_code missing_docs non_camel_case_types non_snake_case unsafe_code unused unused_imports unused_mut "
    "unused_variables clippy::all clippy::pedantic"
)
ATTRIBUTE_OPTIONS: dict[str, tuple[str, ...]] = {
    "pyfunction": _FUNCTION,
    "pyclass": _CLASS,
    "pymethods": ("crate",),
    "pymodule": _words("name crate gil_used module submodule"),
    "pyo3": tuple(dict.fromkeys((*_FUNCTION, *_ITEM, *_CLASS, "gil_used", "submodule"))),
    "getter": (),
    "setter": (),
    "derive": _words(
        "Clone Copy Debug Default Eq Hash Ord PartialEq PartialOrd FromPyObject IntoPyObject IntoPyObjectRef"
    ),
    "cfg": _words("all any not debug_assertions feature target_arch target_os test unix windows"),
    "repr": _words("C transparent u8 u16 u32 u64 i8 i16 i32 i64 packed align"),
    "inline": _words("always never"),
    **dict.fromkeys(("allow", "warn", "deny", "expect", "forbid"), _LINTS),
}
CRATES = _words("std core alloc pyo3 crate self super")
_EXCEPTIONS = _words(
    "PyArithmeticError PyAssertionError PyAttributeError PyBaseException PyBlockingIOError PyBrokenPipeError "
    "PyBufferError PyConnectionError PyDeprecationWarning PyEOFError PyException PyFileExistsError "
    "PyFileNotFoundError PyFloatingPointError PyFutureWarning PyImportError PyIndexError PyInterruptedError PyKeyError "
    "PyKeyboardInterrupt PyLookupError PyMemoryError PyNameError PyNotImplementedError PyOSError PyOverflowError "
    "PyPermissionError PyRecursionError PyReferenceError PyRuntimeError PyRuntimeWarning PyStopAsyncIteration "
    "PyStopIteration PySyntaxError PySystemError PySystemExit PyTimeoutError PyTypeError PyUnicodeDecodeError "
    "PyUnicodeError PyUserWarning PyValueError PyWarning PyZeroDivisionError"
)
PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    "pyo3": {
        "module": _words(
            "buffer conversion coroutine exceptions ffi impl_ inspect marker marshal panic pybacked pycell pyclass "
            "prelude sync types"
        ),
        "macro": _words(
            "append_to_inittab! create_exception! import_exception! intern! py_run! wrap_pyfunction! wrap_pymodule!"
        ),
        "function": _words("pyclass pyfunction pymethods pymodule"),
        **PYO3_PRELUDE,
    },
    "pyo3::prelude": {**PYO3_PRELUDE, "function": _words("pyclass pyfunction pymethods pymodule")},
    "pyo3::exceptions": {"struct": _EXCEPTIONS},
    "pyo3::types": {
        "struct": _words(
            "PyAny PyBool PyByteArray PyBytes PyCFunction PyCapsule PyComplex PyDate PyDateTime PyDelta PyDict "
            "PyEllipsis PyFloat PyFrozenSet PyInt PyIterator PyList PyMapping PyMappingProxy PyModule PyNone "
            "PyNotImplemented PySequence PySet PySlice PyString PySuper PyTime PyTraceback PyTuple PyType PyTzInfo "
            "PyWeakref PyWeakrefProxy PyWeakrefReference"
        ),
        "type": ("IntoPyDict",),
    },
    "pyo3::buffer": {"struct": _words("Element ElementType PyBuffer ReadOnlyCell")},
    "pyo3::sync": {"struct": _words("GILOnceCell MutexExt OnceExt OnceLockExt PyOnceLock RwLockExt")},
    "pyo3::pybacked": {"struct": _words("PyBackedBytes PyBackedStr")},
    "std": {
        "module": _words(
            "alloc any array ascii borrow boxed cell char clone cmp collections convert default env error f32 f64 ffi "
            "fmt fs future hash hint i32 i64 io iter marker mem net num ops option os panic path pin process ptr rc "
            "result slice str string sync task thread time u32 u64 vec"
        )
    },
    "std::collections": {
        "struct": _words("BTreeMap BTreeSet BinaryHeap HashMap HashSet LinkedList VecDeque"),
        "module": _words("btree_map hash_map"),
    },
    "std::sync": {
        "struct": _words("Arc Barrier Condvar LazyLock Mutex MutexGuard Once OnceLock RwLock Weak"),
        "module": _words("atomic mpsc"),
    },
    "std::sync::atomic": {
        "struct": _words("AtomicBool AtomicI32 AtomicI64 AtomicIsize AtomicU32 AtomicU64 AtomicUsize"),
        "enum": ("Ordering",),
    },
    "std::rc": {"struct": _words("Rc Weak")},
    "std::cell": {"struct": _words("Cell OnceCell Ref RefCell RefMut UnsafeCell")},
    "std::time": {"struct": _words("Duration Instant SystemTime"), "constant": ("UNIX_EPOCH",)},
    "std::cmp": {"struct": ("Reverse",), "enum": ("Ordering",), "function": _words("max min")},
    "std::fmt": {
        "trait": _words("Binary Debug Display LowerExp LowerHex UpperHex Write"),
        "struct": _words("Arguments Error Formatter"),
        "type": ("Result",),
    },
    "std::io": {
        "trait": _words("BufRead Read Seek Write"),
        "struct": _words("BufReader BufWriter Cursor Error"),
        "enum": _words("ErrorKind SeekFrom"),
        "function": _words("stderr stdin stdout"),
        "type": ("Result",),
    },
    "std::fs": {
        "struct": _words("File OpenOptions"),
        "function": _words("copy create_dir_all read read_dir read_to_string remove_file rename write"),
    },
    "std::path": {"struct": _words("Path PathBuf")},
    "std::mem": {"function": _words("drop forget replace size_of swap take")},
    "std::iter": {"function": _words("empty from_fn once repeat repeat_with successors zip"), "trait": ("Iterator",)},
    "std::ops": {
        "trait": _words(
            "Add AddAssign BitAnd BitOr BitXor Deref DerefMut Div Drop Fn FnMut FnOnce Index IndexMut Mul Neg Not Rem "
            "Shl Shr Sub SubAssign"
        ),
        "struct": _words("Range RangeInclusive"),
    },
    "std::thread": {"function": _words("available_parallelism current scope sleep spawn"), "struct": ("JoinHandle",)},
    "std::f64::consts": {"constant": _words("E FRAC_PI_2 LN_10 LN_2 LOG10_E LOG2_E PI SQRT_2 TAU")},
    "std::f64": {"module": ("consts",), "constant": _words("EPSILON INFINITY MAX MIN NAN")},
    "f64": {
        "constant": _words("EPSILON INFINITY MAX MIN MIN_POSITIVE NAN NEG_INFINITY"),
        "function": _words("from_bits max min"),
    },
    **{
        number: {"constant": _words("BITS MAX MIN"), "function": ("from_str_radix",)}
        for number in _words("i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize")
    },
    "String": {"function": _words("from from_utf8 from_utf8_lossy new with_capacity")},
    "Vec": {"function": _words("from new with_capacity")},
    **{
        collection: {"function": _words("from from_iter new with_capacity")}
        for collection in _words("HashMap HashSet VecDeque BTreeMap BTreeSet BinaryHeap")
    },
    **{wrapper: {"function": _words("clone from new")} for wrapper in _words("Box Rc Arc Mutex RwLock RefCell Cell")},
    "Py": {"function": _words("new")},
    "Python": {"function": _words("attach initialize")},
    "PyErr": {"function": _words("new from_value occurred take")},
}
"""What follows a path and ``::``, by kind."""
