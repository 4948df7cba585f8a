"""Find what a cell's Rust exports and uses, from its syntax tree.

tree-sitter recovers from errors, so any text has a syntax tree; rustc reports the errors. All offsets are bytes of the
source encoded by `encode`.
"""

from __future__ import annotations

from .analysis import analyse
from .exceptions import exception_arguments
from .items import Item, items_of
from .lines import Lines
from .literals import quote, string_value
from .signatures import Parameter, Result, Signature
from .syntax import Export, InnerAttribute, Module, Skipped, Syntax
from .tree import COMMENTS, encode, parse, plain, reparse, text_of, walk
from .ufunc_types import CoreArgument, Number, Ufunc, UfuncLoop

__all__ = [
    "COMMENTS",
    "CoreArgument",
    "Export",
    "InnerAttribute",
    "Item",
    "Lines",
    "Module",
    "Number",
    "Parameter",
    "Result",
    "Signature",
    "Skipped",
    "Syntax",
    "Ufunc",
    "UfuncLoop",
    "analyse",
    "encode",
    "exception_arguments",
    "items_of",
    "parse",
    "plain",
    "quote",
    "reparse",
    "string_value",
    "text_of",
    "walk",
]
