//! Work that takes a CPU, as rendering a page or packing an archive does.

use std::{fs, hint::black_box, time::Duration};

/// How much is computed between two looks at the clock.
const BIT: u64 = 20_000;

/// Computes until this thread has had the CPU for so long: on a busy machine that takes longer. The kernel counts it in
/// /proc/thread-self/schedstat (Documentation/scheduler/sched-stats.rst).
pub fn compute(time: Duration) {
    let end = used().saturating_add(time);
    let mut sum = 0_u64;
    while used() < end {
        sum = (0..BIT).fold(sum, |sum, number| black_box(sum.wrapping_mul(31).wrapping_add(number)));
    }
    black_box(sum);
}

/// For how long this thread has had a CPU. Where the kernel does not say, all there is: then nothing is computed.
fn used() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    nanoseconds.map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_cpu_for_that_long() {
        let before = used();
        compute(Duration::from_millis(30));
        let took = used() - before;
        assert!(took >= Duration::from_millis(30) && took < Duration::from_millis(300), "{took:?}");
    }
}
