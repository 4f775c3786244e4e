//! From values to heights, and the ticks beside them.

use super::svg::value;

/// About so many ticks: more would crowd, fewer would not tell.
const TICKS: f64 = 4.0;

/// How values become heights.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// From zero, with round ticks of its own: for counts.
    Counts,
    /// Logarithmic, with ticks from this list, smallest first, all above zero: for what spans milliseconds to days.
    Logarithmic(Vec<f64>),
}

/// A scale that fits certain values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted {
    pub(super) ticks: Vec<f64>,
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    pub(super) fn fit(&self, values: impl Iterator<Item = f64>) -> Fitted {
        let values: Vec<f64> = values.map(value).collect();
        let greatest = values.iter().copied().fold(0.0, f64::max);
        match self {
            Self::Logarithmic(ticks) if ticks.len() > 1 => {
                let least = values
                    .iter()
                    .copied()
                    .filter(|value| *value > 0.0)
                    .fold(f64::INFINITY, f64::min);
                let first = ticks.iter().rposition(|tick| *tick <= least).unwrap_or(0);
                let last = ticks
                    .iter()
                    .position(|tick| *tick >= greatest)
                    .unwrap_or(ticks.len() - 1);
                // Two ticks at least, or there is no height to speak of.
                let (first, last) = if first < last {
                    (first, last)
                } else {
                    let first = last.saturating_sub(1);
                    (first, first + 1)
                };
                let ticks = ticks.get(first..=last).unwrap_or_default().to_vec();
                Fitted {
                    low: ticks.first().copied().unwrap_or(1.0).max(f64::MIN_POSITIVE),
                    high: ticks.last().copied().unwrap_or(2.0),
                    ticks,
                    logarithmic: true,
                }
            }
            _ => {
                let step = round_step(greatest / TICKS);
                let count = (greatest / step).ceil().max(1.0);
                let mut ticks = vec![0.0];
                let mut tick = step;
                while tick <= step * count * 1.000_001 && ticks.len() < 12 {
                    ticks.push(tick);
                    tick += step;
                }
                Fitted {
                    low: 0.0,
                    high: step * count,
                    ticks,
                    logarithmic: false,
                }
            }
        }
    }
}

impl Fitted {
    /// How high a value is, from 0 to 1.
    pub(super) fn height(&self, of: f64) -> f64 {
        let of = value(of);
        let part = if self.logarithmic {
            (of.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            of / self.high
        };
        if part.is_nan() {
            0.0
        } else {
            part.clamp(0.0, 1.0)
        }
    }
}

/// 1, 2 or 5 times a power of ten, not below `step`; things are counted in whole ones.
fn round_step(step: f64) -> f64 {
    if step <= 1.0 {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|rounded| *rounded >= step * 0.999_999)
        .unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn ticks_are_round_and_reach_over_the_values() {
        for (greatest, expected) in [
            (0.0, vec![0.0, 1.0]),
            (1.0, vec![0.0, 1.0]),
            (3.0, vec![0.0, 1.0, 2.0, 3.0]),
            (7.0, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (41.0, vec![0.0, 20.0, 40.0, 60.0]),
            (1234.0, vec![0.0, 500.0, 1000.0, 1500.0]),
        ] {
            let fitted = Scale::Counts.fit([greatest].into_iter());
            assert_eq!(fitted.ticks, expected, "{greatest}");
            assert!(fitted.height(greatest) <= 1.0);
        }
    }

    #[test]
    fn a_logarithmic_scale_encloses_its_values() {
        let scale = Scale::Logarithmic(vec![0.1, 1.0, 10.0, 60.0, 600.0]);
        let fitted = scale.fit([2.0, 30.0].into_iter());
        assert_eq!(fitted.ticks, [1.0, 10.0, 60.0]);
        assert!((fitted.height(1.0), fitted.height(60.0)) == (0.0, 1.0));
        assert_eq!(scale.fit([].into_iter()).ticks.len(), 2);
        assert_eq!(scale.fit([1e9, 1e12].into_iter()).ticks, [60.0, 600.0]);
        assert_eq!(scale.fit([1.0, 1.0].into_iter()).ticks.len(), 2);
    }
}
