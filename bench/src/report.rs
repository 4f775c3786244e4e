//! The figures: told as they come, and once more at the end for programs.

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<(String, String)>,
}

impl Report {
    /// Begins a part.
    #[expect(clippy::unused_self, reason = "a part belongs to its report")]
    pub(crate) fn heading(&self, title: &str) {
        println!("\n== {title} ==");
    }

    /// A figure: its name for programs, what it is in words, and the goal if there is one.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<f64>, words: &str, goal: Goal) {
        let value = value.into();
        let verdict = match goal {
            Goal::None => String::new(),
            Goal::AtMost(most) => verdict(value <= most, &format!("at most {}", number(most))),
            Goal::Below(most) => verdict(value < most, &format!("below {}", number(most))),
            Goal::AtLeast(least) => verdict(value >= least, &format!("at least {}", number(least))),
        };
        println!("{words}: {}{verdict}", number(value));
        self.figures.push((name.to_owned(), number(value)));
    }

    /// A part that could not be measured here.
    pub(crate) fn skipped(&mut self, name: &str, reason: &str) {
        println!("skipped: {reason}");
        self.figures.push((name.to_owned(), "skipped".to_owned()));
    }

    /// The lines for programs.
    pub(crate) fn print(&self) {
        println!();
        for (name, value) in &self.figures {
            println!("{name}={value}");
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    None,
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

fn verdict(is_met: bool, goal: &str) -> String {
    let word = if is_met { "met" } else { "MISSED" };
    format!(" (goal: {goal}, {word})")
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        large if large >= 100.0 => 1,
        _ => 3,
    };
    format!("{value:.digits$}")
}
