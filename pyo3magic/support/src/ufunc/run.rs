//! How much of a loop runs at once, and on which thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::Python;

use super::failure::{caught, interrupted, Failure};

/// So few elements are never worth a look at the clock.
const FEW: usize = 16;
/// How long one part of a loop takes at least, in a loop that takes longer.
const PART: Duration = Duration::from_millis(1);
/// How often a loop looks whether it is to stop.
const BETWEEN_CHECKS: Duration = Duration::from_millis(50);
/// Work that is worth starting threads for; starting one takes about 20 microseconds.
const WORTH_THREADS: Duration = Duration::from_micros(250);
/// How long a thread works on the elements that it is given at once, at most.
const SHARE: Duration = Duration::from_millis(10);
/// So many elements fill whole cache lines, which two threads must not write at the same time.
const LINES: usize = 64;

/// Runs the elements 0 to `count` by calls of `part(start, length)`.
///
/// The first calls are short, so that an interrupt is noticed even in a loop that is slow. If `parallel`, the rest is
/// spread over the cores as soon as it is known to take long enough.
pub(super) fn run(
    count: usize,
    parallel: bool,
    part: &(impl Fn(usize, usize) -> Result<(), Failure> + Sync),
) -> Result<(), Failure> {
    if count <= FEW {
        return caught(|| part(0, count));
    }
    let (mut done, mut length) = (0, FEW);
    let mut begun = Instant::now();
    let mut checked = begun;
    while done < count {
        let size = length.min(count - done);
        caught(|| part(done, size))?;
        done += size;
        let now = Instant::now();
        let took = now - begun;
        begun = now;
        let each = took.as_secs_f64() / size as f64;
        if parallel && done < count && each * (count - done) as f64 > WORTH_THREADS.as_secs_f64() {
            let threads = threads();
            if threads > 1 {
                let most = (SHARE.as_secs_f64() / each) as usize;
                let share = ((count - done) / (threads * 8)).clamp(1, most.max(1));
                let share = if share > LINES { share / LINES * LINES } else { share };
                // NumPy keeps the interpreter lock in short loops, and the function may want it in each thread.
                return Python::attach(|py| py.detach(|| spread(done, count, threads, share, part)));
            }
        }
        if took < PART {
            length = length.saturating_mul(8);
        }
        if now - checked > BETWEEN_CHECKS {
            interrupted()?;
            checked = now;
        }
    }
    Ok(())
}

fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Runs the rest of a loop on this thread and others, which take one share of the elements after the other.
fn spread(
    done: usize,
    count: usize,
    threads: usize,
    share: usize,
    part: &(impl Fn(usize, usize) -> Result<(), Failure> + Sync),
) -> Result<(), Failure> {
    let (next, stopped) = (AtomicUsize::new(done), AtomicBool::new(false));
    let first = Mutex::new(None);
    let work = |is_caller: bool| {
        let mut checked = Instant::now();
        while !stopped.load(Relaxed) {
            let start = next.fetch_add(share, Relaxed);
            if start >= count {
                break;
            }
            let mut result = caught(|| part(start, share.min(count - start)));
            if is_caller && result.is_ok() && checked.elapsed() > BETWEEN_CHECKS {
                result = interrupted();
                checked = Instant::now();
            }
            if let Err(failure) = result {
                stopped.store(true, Relaxed);
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be started, this one does the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || work(false));
        }
        work(true);
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
