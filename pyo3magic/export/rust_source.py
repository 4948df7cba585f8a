"""Writes a cell's Rust as a Rust developer would have: with a readable ``#[pymodule]`` at the end.

The cell's own text stays the same, comments and layout included; only the lines that a notebook does not need are
added.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode, items_of, parse, quote
from pyo3magic.errors import OptionError

from .array_functions import wrapper
from .pickle_paths import pickle_paths
from .rust_syntax import (
    KEYWORDS,
    after_inner_attributes,
    crate_paths,
    edited,
    identifiers,
    line_end,
    made_visible,
)
from .ufunc_source import MODULE, check_ufuncs, ufunc_function, ufuncs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tree_sitter import Node

    from .rust_syntax import Edit, Member

__all__ = ["crate_root", "module_item", "placed_files", "submodule_file"]

_CONSTANTS = (0, 26)  # the first PyO3 whose `#[pymodule]` exports constants
_DECLARATIVE = (0, 23)  # the first PyO3 whose `#[pymodule] mod` needs no feature
_PRIMITIVE = re.compile(r"(&\s*('static\s+)?str|bool|char|[iu](8|16|32|64|128|size)|f(32|64))")
_ROOT_ONLY = re.compile(r"#!\[\s*(feature|no_std|no_main|recursion_limit|type_length_limit|crate_name|crate_type)\b")


def crate_root(
    root: Member | None,
    submodules: tuple[Member, ...],
    module: str,
    *,
    package: str,
    docs: str = "",
    arrays: str = "",
) -> str:
    """The text of ``src/lib.rs``.

    Args:
        root: the cell whose items the module itself exports; None if the module has only submodules.
        submodules: the other cells, each a Rust module and a Python submodule.
        module: the extension module's name.
        package: the Python package that the submodules belong to.
        docs: the module's documentation if there is no root.
        arrays: the name of the Rust module that wrappers call; empty for none.

    Raises:
        OptionError: the root has its own ``#[pymodule]`` and there are submodules, a cell's PyO3 is too old, or the
            module for NumPy ufuncs cannot be in the crate.
    """
    members = submodules if root is None else (root, *submodules)
    check_ufuncs(members)
    ufuncs = f"\n{MODULE}" if ufuncs_of(members) else ""
    if root is None:
        head = "".join(
            f"//! {line}".rstrip() + "\n" for line in (docs or f"The Python module `{module}`.").splitlines()
        )
        head += "".join(f"{attribute}\n" for attribute in _root_only(submodules))
        body = f"{head}{ufuncs}\n{_declared(arrays)}{_declarations(submodules)}\nuse pyo3::prelude::*;\n"
        return body + "\n" + _module(module, None, submodules, package=package, taken=body)
    text = _source(root, home=package, crate_path="", imports=())
    position = after_inner_attributes(text)
    head, rest = text[:position], text[position:]
    head += "".join(f"{attribute}\n" for attribute in _root_only(submodules))
    declared = f"{_declared(arrays)}{_declarations(submodules)}"
    declared += "\n" if declared else ""
    if ufuncs:
        head = head.rstrip("\n") + "\n" if head.strip() else ""
        declared, rest = f"{ufuncs if head else MODULE}\n{declared}", rest.lstrip("\n")
    text = f"{head}{declared}{rest}"
    if root.syntax.main_module is not None:
        if submodules:
            raise OptionError(
                f"The cell of {root.module!r} has its own #[pymodule], to which the cells it uses cannot be added.",
                advice="Give the package another name, so all cells become submodules: --name my_package.",
            )
        return text
    return text.rstrip("\n") + "\n\n" + _module(module, root, submodules, package=package, taken=text, arrays=arrays)


def placed_files(member: Member, *, is_root: bool) -> dict[str, bytes]:
    """The files that a cell names, where the exported crate has them.

    Args:
        member: the cell.
        is_root: whether the cell is ``src/lib.rs``; in another one's files, ``crate::`` means the cell.

    Returns:
        Content by path.
    """
    if is_root:
        return dict(member.attached)
    placed: dict[str, bytes] = {}
    inserted = f"::{_raw(member.module)}".encode()
    for name, data in member.attached.items():
        if name.endswith(".rs"):
            data = edited(data, [(at, at, inserted) for at in crate_paths(parse(data).root_node)])  # noqa: PLW2901
        if name.startswith("src/"):
            placed[f"src/{member.module}/{name.removeprefix('src/')}"] = data
        else:
            # Code names it from its own folder (../) or from the package's (CARGO_MANIFEST_DIR).
            placed |= {name: data, f"src/{name}": data}
    return placed


def submodule_file(member: Member, others: Iterable[str], *, package: str, arrays: str = "") -> str:
    """The text of the file of a cell that becomes a submodule (`Member.file`).

    Args:
        member: the cell.
        others: names of the other cells in the crate; their paths resolve as in the notebook.
        package: the Python package that the submodule belongs to.
        arrays: the name of the Rust module that wrappers call; empty for none.

    Raises:
        OptionError: the cell's PyO3 is too old.
    """
    used = tuple(name for name in sorted(others) if name in member.syntax.crates)
    home = f"{package}.{member.syntax.main_module or member.module}"
    text = _source(member, home=home, crate_path=member.module, imports=used)
    if member.syntax.main_module is not None:
        return text
    return f"{text.rstrip()}\n\n" + _module(
        member.module, member, (), package="", taken=text, name="python_module", arrays=arrays, home=home
    )


def module_item(root: Member | None, text: str) -> str:
    """Rust's name of the ``#[pymodule]`` in ``text``, the text of a crate's root."""
    if root is not None and root.syntax.main_module is not None:
        return next(item.rust_name for item in root.syntax.modules if item.name == root.syntax.main_module)
    return str(re.findall(r"^pub mod (\w+) \{$", text, re.MULTILINE)[-1])


def _declared(arrays: str) -> str:
    """The declaration of the Rust module that wrappers call, of which a project may need only a part."""
    return f"#[allow(dead_code, unused_imports)]\nmod {arrays};\n" if arrays else ""


def _declarations(members: Iterable[Member]) -> str:
    return "".join(f"pub mod {_raw(member.module)};\n" for member in members)


def _root_only(members: Iterable[Member]) -> list[str]:
    texts = (attribute.text for member in members for attribute in member.syntax.inner_attributes)
    return sorted({text for text in texts if _ROOT_ONLY.match(text)})


def _raw(name: str) -> str:
    return f"r#{name}" if name in KEYWORDS and name not in {"crate", "self", "super", "Self"} else name


def _source(member: Member, *, home: str, crate_path: str, imports: tuple[str, ...]) -> str:
    """The cell's text with PyO3's attributes, the prelude and the path of its Python module written in."""
    syntax, text = member.syntax, encode(member.cell.source)
    generates = syntax.main_module is None
    root = parse(text).root_node
    edits: list[Edit] = []
    if text.startswith(b"#!") and not text[2:].lstrip().startswith(b"["):
        edits.append((0, text.find(b"\n") if b"\n" in text else len(text), b""))
    functions = {item.at: item.node for item in items_of(root) if item.node.type == "function_item"}
    for export in syntax.exports if generates else ():
        if export.implicit and export.signature is None and export.ufunc is None:
            edits.append(_marked(text, functions[export.at], "#[pyfunction]"))
        if export.ufunc and not export.ufunc.has_inline:
            edits.append(_marked(text, functions[export.at], "#[inline]"))
        edits += [(start, line_end(text, end), b"") for start, end in export.markers]
    if crate_path:
        edits += [(place, place, f"::{_raw(crate_path)}".encode()) for place in crate_paths(root)]
        edits += [
            (attribute.start, line_end(text, attribute.end), b"")
            for attribute in syntax.inner_attributes
            if _ROOT_ONLY.match(attribute.text)
        ]
    if generates:
        edits += pickle_paths(root, home)
    else:
        edits += made_visible(root, syntax.main_module or "")
    result = edited(text, edits).decode().replace("\r\n", "\n").strip("\n") + "\n"
    uses = [] if syntax.imports_prelude else ["use pyo3::prelude::*;"]
    uses += [f"use crate::{_raw(name)};" for name in imports]
    if uses:
        position = after_inner_attributes(result)
        head, rest = result[:position], result[position:].lstrip("\n")
        gap = "" if rest.startswith("use ") else "\n"
        blank = "\n" if head and not head.endswith("\n\n") else ""
        result = head + blank + "\n".join(uses) + f"\n{gap}{rest}"
    return result


def _marked(text: bytes, function: Node, attribute: str) -> Edit:
    """The edit that writes an attribute on a line of its own before a function, after its documentation."""
    place, mark = function.start_byte, attribute.encode()
    before = text[text.rfind(b"\n", 0, place) + 1 : place]
    return place, place, mark + b" " if before.strip() else mark + b"\n" + before


def _module(
    python_name: str,
    member: Member | None,
    submodules: tuple[Member, ...],
    *,
    package: str,
    taken: str,
    name: str = "",
    arrays: str = "",
    home: str = "",
) -> str:
    pyo3 = member.pyo3 if member is not None else submodules[0].pyo3
    if pyo3 < _DECLARATIVE:
        raise OptionError(
            f"The cell was built with PyO3 {pyo3[0]}.{pyo3[1]}, which cannot build a readable #[pymodule].",
            advice="Use crates that work with PyO3 0.23 or newer, or write the #[pymodule] in the cell yourself.",
        )
    if not name:
        wanted = (python_name, f"{python_name}_module", f"python_{python_name}", "python_extension_module")
        free = (item for item in wanted if item not in KEYWORDS | identifiers(taken))
        name = next(free, f"{python_name}_python_extension_module")
    adder = next(
        word for word in ("add_ufuncs", "add_numpy_ufuncs", "pyo3magic_ufuncs") if word not in identifiers(taken)
    )
    ufuncs = ufunc_function(member, adder, home or package) if member is not None else ""
    adding = [f"super::{adder}(module)?;"] if ufuncs else []
    lines: list[str] = []
    docs = member.syntax.docs if member is not None else ""
    lines += [f"/// {line}".rstrip() for line in docs.splitlines()]
    lines.append("#[pymodule]" if not taken or name != "python_module" else "#[pymodule(submodule)]")
    if name != python_name:
        lines.append(f'#[pyo3(name = "{python_name}")]')
    lines.append(f"pub mod {name} {{")
    body = [*_exports(member, pyo3), *_wrappers(member, arrays)] if member is not None else []
    for submodule in submodules:
        own = submodule.syntax.main_module
        path = f"crate::{_raw(submodule.module)}::{_raw(own) if own else 'python_module'}"
        renamed = "" if own else f" as {_raw(submodule.module)}"
        body += ["#[pymodule_export]", f"use {path}{renamed};", ""]
    if submodules:
        names = [member.syntax.main_module or member.module for member in submodules]
        body += _registration(package, names, adding)
    elif adding:
        body += [
            "use pyo3::prelude::*;",
            "",
            "#[pymodule_init]",
            "fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {",
            f"    super::{adder}(module)",
            "}",
        ]
    while body and not body[-1]:
        body.pop()
    lines += [f"    {line}".rstrip() for line in body]
    return ufuncs + "\n".join([*lines, "}"]) + "\n"


def _exports(member: Member, pyo3: tuple[int, int]) -> Iterator[str]:
    """The lines of a declarative module's body (PyO3 user guide, "Python modules")."""
    exports = [item for item in member.syntax.exports if item.signature is None]
    plain = [item for item in exports if item.kind not in {"constant", "ufunc"} and not item.cfgs]
    names = sorted({item.rust_name for item in plain})
    if names:
        yield "#[pymodule_export]"
        yield f"use super::{names[0]};" if len(names) == 1 else _use_list(names)
        yield ""
    seen: set[str] = set()
    for item in exports:
        if (
            item.kind not in {"constant", "ufunc"}
            and item.cfgs
            and (declaration := f"use super::{item.rust_name};") + str(item.cfgs) not in seen
        ):
            seen.add(declaration + str(item.cfgs))
            yield from (*item.cfgs, "#[pymodule_export]", declaration, "")
    constants = [item for item in member.syntax.exports if item.kind == "constant"]
    if all(_PRIMITIVE.fullmatch(item.type) for item in constants) and pyo3 >= _CONSTANTS:
        for item in constants:
            renamed = () if item.name == item.rust_name else (f'#[pyo3(name = "{item.name}")]',)
            yield from (*item.cfgs, "#[pymodule_export]", *renamed)
            yield f"const {item.rust_name}: {item.type} = super::{item.rust_name};"
            yield ""
    elif constants:
        yield from (
            "use pyo3::prelude::*;",
            "",
            "#[pymodule_init]",
            "fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {",
        )
        for item in constants:
            yield from (f"    {cfg}" for cfg in item.cfgs)
            yield f"    module.add({quote(item.name)}, super::{item.rust_name})?;"
        yield from ("    Ok(())", "}", "")


def _wrappers(member: Member, arrays: str) -> Iterator[str]:
    """The lines of a module's body with functions that take arrays, or return errors of any type."""
    wrapped = [(item, item.signature) for item in member.syntax.exports if item.signature is not None]
    if wrapped:
        yield from ("use super::*;", "")
    for item, signature in wrapped:
        yield from wrapper(item, signature, arrays, keep_gil=member.cell.options.keep_gil)
        yield ""


def _use_list(names: list[str]) -> str:
    joined = f"use super::{{{', '.join(names)}}};"
    if len(joined) <= 96:  # noqa: PLR2004 - rustfmt's width, less the indentation
        return joined
    return "use super::{\n" + "".join(f"        {name},\n" for name in names) + "    };"


def _registration(package: str, names: list[str], more: list[str]) -> list[str]:
    """Lines that put submodules into ``sys.modules``, where Python looks for them (PyO3 issue 759).

    PyO3 gives submodules only the last part of their names, and pickle would look for their functions there.
    """
    listed = ", ".join(quote(name) for name in names)
    return [
        "use pyo3::prelude::*;",
        "",
        f"/// Lets `import {package}.{names[0]}` find the submodule, and pickle the functions in it.",
        "#[pymodule_init]",
        "fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {",
        *(f"    {line}" for line in more),
        '    let modules = module.py().import("sys")?.getattr("modules")?;',
        f"    for name in [{listed}] {{",
        "        let submodule = module.getattr(name)?;",
        f'        let path = format!("{package}.{{name}}");',
        '        let exported = submodule.getattr("__all__").and_then(|all| all.extract::<Vec<String>>());',
        "        for item in exported.unwrap_or_default() {",
        "            let item = submodule.getattr(item)?;",
        '            if item.getattr("__module__").and_then(|home| home.eq(name)).unwrap_or(false) {',
        '                item.setattr("__module__", &path)?;',
        "            }",
        "        }",
        '        submodule.setattr("__name__", &path)?;',
        "        modules.set_item(path, submodule)?;",
        "    }",
        "    Ok(())",
        "}",
    ]
