//! What a run found: figures, and everything that should not have been.

use std::fmt;

/// More of one kind are counted, not told.
const TOLD: usize = 20;

/// The figures of a run, in the order in which they are printed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Vec<(&'static str, Figure)>);

#[derive(Debug, Clone, PartialEq)]
enum Figure {
    /// Adds up over runs.
    Count(u64),
    /// The highest of all runs.
    Peak(u64),
    /// Told together.
    Name(String),
    Seconds(f64),
}

impl Figures {
    pub(crate) fn count(&mut self, name: &'static str, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.0.push((name, Figure::Count(value)));
    }

    pub(crate) fn peak(&mut self, name: &'static str, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.0.push((name, Figure::Peak(value)));
    }

    pub(crate) fn name(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, Figure::Name(value.into())));
    }

    pub(crate) fn seconds(&mut self, name: &'static str, value: f64) {
        self.0.push((name, Figure::Seconds(value)));
    }

    /// The figures of several runs as one line.
    pub(crate) fn sum(runs: &[Self]) -> Self {
        let mut runs = runs.iter();
        let mut sum = runs.next().cloned().unwrap_or_default();
        for run in runs {
            for (name, figure) in &run.0 {
                let Some((_, known)) = sum.0.iter_mut().find(|(known, _)| known == name) else {
                    sum.0.push((name, figure.clone()));
                    continue;
                };
                known.absorb(figure);
            }
        }
        sum
    }
}

impl Figure {
    fn absorb(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) => *mine += theirs,
            (Self::Peak(mine), Self::Peak(theirs)) => *mine = (*mine).max(*theirs),
            (Self::Seconds(mine), Self::Seconds(theirs)) => *mine += theirs,
            (Self::Name(mine), Self::Name(theirs)) if mine != theirs => {
                mine.push('+');
                mine.push_str(theirs);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, figure)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match figure {
                Figure::Count(value) | Figure::Peak(value) => write!(f, "{name}={value}")?,
                Figure::Name(value) => write!(f, "{name}={value}")?,
                Figure::Seconds(value) => write!(f, "{name}={value:.1}")?,
            }
        }
        Ok(())
    }
}

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Figures,
    wrong: Vec<String>,
}

impl Findings {
    /// Notes what should not have been.
    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Notes it unless it `holds`.
    pub(crate) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Prints what is wrong, and the figures.
    pub(crate) fn tell(&self) {
        for what in self.wrong.iter().take(TOLD) {
            println!("✘ {what}");
        }
        if self.wrong.len() > TOLD {
            println!("✘ … and {} more", self.wrong.len() - TOLD);
        }
        println!("{}", self.figures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_both_databases_add_up() {
        let run = |backend: &str, posted, peak| {
            let mut figures = Figures::default();
            figures.count("posted", posted);
            figures.peak("peak", peak);
            figures.name("backend", backend);
            figures.name("seed", "7");
            figures.seconds("seconds", 1.25);
            figures
        };
        let sum = Figures::sum(&[run("sqlite", 500, 7), run("postgres", 500, 6)]);
        assert_eq!(
            sum.to_string(),
            "posted=1000 peak=7 backend=sqlite+postgres seed=7 seconds=2.5"
        );
    }
}
