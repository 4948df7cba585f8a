"""The message to the front end, which has to be plain JSON."""

from __future__ import annotations

import json

from pyo3magic.diagnostics import Diagnostic, Edit, Span, Suggestion, for_front_end


def test_errors_come_first_and_only_the_cells_places_are_sent() -> None:
    edit = Edit(3, 9, 3, 13, "mut ", "")
    items = [
        Diagnostic("warning", "unused", suggestions=(Suggestion("remove this", (edit,)),)),
        Diagnostic(
            "error",
            "mismatched types",
            "E0308",
            spans=(Span(2, 1, 2, 4, is_primary=True, label="here"), Span(9, 1, 9, 2, in_cell=False)),
        ),
    ]
    sent = for_front_end(items, "In[3]")
    assert json.loads(json.dumps(sent)) == {
        "version": 1,
        "cell": "In[3]",
        "diagnostics": [
            {
                "level": "error",
                "message": "mismatched types",
                "code": "E0308",
                "url": "https://doc.rust-lang.org/error_codes/E0308.html",
                "spans": [
                    {"line": 2, "column": 1, "end_line": 2, "end_column": 4, "primary": True, "label": "here"},
                ],
                "suggestions": [],
            },
            {
                "level": "warning",
                "message": "unused",
                "code": None,
                "url": None,
                "spans": [],
                "suggestions": [
                    {
                        "message": "remove this",
                        "edits": [
                            {
                                "line": 3,
                                "column": 9,
                                "end_line": 3,
                                "end_column": 13,
                                "text": "mut ",
                                "replacement": "",
                            }
                        ],
                    }
                ],
            },
        ],
    }
