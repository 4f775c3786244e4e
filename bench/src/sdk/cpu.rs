//! CPU time.

use std::time::Duration;

/// What this thread has computed so far.
#[cfg(unix)]
fn of_thread() -> Duration {
    read(rustix::time::ClockId::ThreadCPUTime)
}

/// What this process has computed so far, the kernel's work for it included.
#[cfg(unix)]
pub(crate) fn of_process() -> Duration {
    read(rustix::time::ClockId::ProcessCPUTime)
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> Duration {
    let spent = rustix::time::clock_gettime(clock);
    Duration::new(
        spent.tv_sec.try_into().unwrap_or_default(),
        spent.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// Elsewhere the time of day has to do, and the machine has to be idle.
#[cfg(not(unix))]
fn of_thread() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(not(unix))]
pub(crate) fn of_process() -> Duration {
    of_thread()
}

/// What `work` takes of this thread.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = of_thread();
    let done = std::hint::black_box(work());
    (done, of_thread().saturating_sub(before))
}

/// The least time each contender took in any round. They take turns, so that none has the quiet moments alone, and a
/// neighbour's load can only lengthen a round. In its turn each works twice, and the second time counts: the first one
/// meets the heap as another contender has left it.
pub(crate) fn best<const N: usize>(
    rounds: u32,
    mut contenders: [&mut dyn FnMut() -> anyhow::Result<Duration>; N],
) -> anyhow::Result<[f64; N]> {
    let mut best = [Duration::MAX; N];
    for _ in 0..rounds {
        for (best, contender) in best.iter_mut().zip(&mut contenders) {
            contender()?;
            *best = contender()?.min(*best);
        }
    }
    Ok(best.map(|time| time.as_secs_f64()))
}
