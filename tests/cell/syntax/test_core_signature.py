from __future__ import annotations

import pytest

from pyo3magic.cell.syntax.core_signature import parse_signature
from pyo3magic.errors import CellError


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"),
    [
        ("(n),(n)->()", (("n",), ("n",)), ((),)),
        (" ( m, n ) , (n) -> (m) ", (("m", "n"), ("n",)), (("m",),)),
        ("()->()", ((),), ((),)),
        ("(n),()->(n),()", (("n",), ()), (("n",), ())),
        ("(3),(row_1)->(3)", (("3",), ("row_1",)), (("3",),)),
    ],
)
def test_signatures(text: str, inputs: object, outputs: object) -> None:
    signature = parse_signature(text)
    assert (signature.inputs, signature.outputs) == (inputs, outputs)
    assert " " not in signature.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n->n", "is not the signature"),
        ("(n)", "is not the signature"),
        ("(n)->", "is not the signature"),
        ("->(n)", "is not the signature"),
        ("(n?)->()", "is not the signature"),
        ("(n,)->()", "is not the signature"),
        ("(0)->()", "is not the signature"),
        ("(é)->()", "is not the signature"),
        ("(n)->(m)", "length of m"),
        (",".join(["()"] * 11) + "->()", "more than 10"),
    ],
)
def test_other_texts_are_refused(text: str, words: str) -> None:
    with pytest.raises(CellError, match=words) as caught:
        parse_signature(text)
    assert caught.value.advice
