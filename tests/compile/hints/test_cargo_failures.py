import re

import pytest

from pyo3magic.compile.hints import cargo_failures as hints
from pyo3magic.errors import BuildError, ToolchainError

from .cargo_samples import EXPECTED, SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_explain_cargo_failure(name: str) -> None:
    kind, message, advice = EXPECTED[name]
    error = hints.explain_cargo_failure(SAMPLES[name])
    assert type(error) is kind
    assert message in error.message
    assert advice in error.advice
    assert error.details == SAMPLES[name]
    assert "{" not in error.message
    assert not re.search(r" \.|:\.|\.\.$", error.message)


def test_colours_do_not_matter() -> None:
    error = hints.explain_cargo_failure("\x1b[1m\x1b[91merror\x1b[0m: linker `\x1b[1mcc\x1b[0m` not found\n")
    assert isinstance(error, ToolchainError)
    assert "`cc`" in error.message


def test_two_crates_that_want_different_pyo3() -> None:
    text = SAMPLES["links"].replace(
        'dependency `pyo3 = "^0.30"` of package `cell v0.0.0 (CRATE)`',
        'dependency `pyo3 = "^0.30"` of package `pyo3-log v0.14.0`',
    )
    error = hints.explain_cargo_failure(text)
    assert error.message.endswith("numpy 0.25.0 wants pyo3 ^0.25.0; pyo3-log 0.14.0 wants pyo3 ^0.30.")
    assert error.advice == "Request versions of `numpy` and `pyo3-log` made for the same pyo3: `-d NAME@VERSION`."


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("", "cargo failed: it did not say why."),
        ("    Updating\nerror: something new\n", "cargo failed: something new."),
        ("error[E0999]: something newer", "cargo failed: something newer."),
    ],
)
def test_unknown_failures_say_what_cargo_said(stderr: str, message: str) -> None:
    error = hints.explain_cargo_failure(stderr)
    assert type(error) is BuildError
    assert error.message == message


def test_a_crate_made_for_an_older_pyo3_than_is_taken_by_default() -> None:
    error = hints.explain_cargo_failure(SAMPLES["links"].replace("0.25", "0.22"))
    assert error.advice == "`--pyo3 0.22`, without another pyo3 in the front matter, selects a PyO3 that suits `numpy`."
