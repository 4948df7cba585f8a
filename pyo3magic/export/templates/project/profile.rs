//! Measures how long calls from Python take. `cargo bench` runs this program; for a profile, run the program that
//! `cargo bench --no-run` names under a profiler, for example `perf record -g`.

use std::time::Instant;

use pyo3::prelude::*;

const CALLS: u32 = 20_000;

fn time(name: &str, mut call: impl FnMut() -> PyResult<()>) -> PyResult<()> {
    call()?;
    let start = Instant::now();
    for _ in 0..CALLS {
        call()?;
    }
    println!("{name}: {:.0} ns a call", start.elapsed().as_nanos() as f64 / f64::from(CALLS));
    Ok(())
}

fn main() -> PyResult<()> {
    Python::@{attach}(|py| {
        let module = pyo3::wrap_pymodule!(@{path})(py).into_bound(py);
@{calls}        Ok(())
    })
}
