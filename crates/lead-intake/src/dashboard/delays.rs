//! How long deliveries took, as many of each length as the store tells apart.

use std::time::Duration;

use store::DELAYS_MS;

/// Delays, as many of each length as there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delays {
    /// One for each of [`DELAYS_MS`], and one for longer ones.
    counts: [u64; DELAYS_MS.len() + 1],
}

impl Delays {
    pub(super) fn add(&mut self, step: Option<u64>, count: u64) {
        let place = step
            .and_then(|step| DELAYS_MS.iter().position(|known| *known == step))
            .unwrap_or(DELAYS_MS.len());
        self.counts[place] += count;
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many took longer than `above` and no longer than `up_to` milliseconds; both are steps.
    pub(super) fn between(&self, above: u64, up_to: Option<u64>) -> u64 {
        let steps = DELAYS_MS.iter().map(|step| Some(*step)).chain([None]);
        steps
            .zip(self.counts)
            .filter(|(step, _)| {
                step.is_none_or(|step| step > above)
                    && match (*step, up_to) {
                        (Some(step), Some(up_to)) => step <= up_to,
                        (None, Some(_)) => false,
                        (_, None) => true,
                    }
            })
            .map(|(_, count)| count)
            .sum()
    }

    /// The delay that so many percent did not exceed, told within the step that it falls into. What is longer than all
    /// steps is told as the longest.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (u128::from(self.count()) * u128::from(percent)).div_ceil(100);
        if rank == 0 {
            return None;
        }
        let (mut below, mut low) = (0, 0);
        for (step, count) in DELAYS_MS.iter().zip(self.counts) {
            let count = u128::from(count);
            if count > 0 && below + count >= rank {
                let within = u128::from(step - low) * (rank - below) / count;
                return Some(Duration::from_millis(
                    low + u64::try_from(within).unwrap_or(0),
                ));
            }
            below += count;
            low = *step;
        }
        Some(Duration::from_millis(low))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use store::DELAYS_MS;

    use super::Delays;

    proptest! {
        /// Told within the step into which the real one falls.
        #[test]
        fn a_percentile_is_off_by_a_step_at_most(
            mut real in prop::collection::vec(1_u64..100_000_000, 1..200), percent in 1_u64..=100,
        ) {
            let mut delays = Delays::default();
            let step = |delay: u64| DELAYS_MS.into_iter().find(|step| *step >= delay);
            for delay in &real {
                delays.add(step(*delay), 1);
            }
            real.sort_unstable();
            let rank = (real.len() as u64 * percent).div_ceil(100);
            let exact = real[usize::try_from(rank).unwrap() - 1];
            let told = u64::try_from(delays.percentile(percent).unwrap().as_millis()).unwrap();
            match step(exact) {
                None => prop_assert_eq!(told, DELAYS_MS[DELAYS_MS.len() - 1]),
                Some(high) => {
                    let low = DELAYS_MS.into_iter().rev().find(|step| *step < high).unwrap_or(0);
                    prop_assert!(low <= told && told <= high, "{told} for {exact}");
                }
            }
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Delays::default().percentile(50), None);
        let mut delays = Delays::default();
        delays.add(Some(1_000), 4);
        assert_eq!(delays.percentile(50), Some(Duration::from_millis(750)));
        delays.add(None, 1);
        assert_eq!(
            (
                delays.between(500, Some(1_000)),
                delays.between(86_400_000, None)
            ),
            (4, 1)
        );
    }
}
