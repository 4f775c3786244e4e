//! Telling: chapters, and steps with ✔ or ✘, milliseconds and what happened.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::words::{Language, say};

/// Width of the column with milliseconds.
const TIME_WIDTH: usize = 6;
/// Where the text of a line begins: mark, time, unit and the spaces between.
const INDENT: usize = 2 + 1 + 1 + TIME_WIDTH + 1 + 2 + 2;

/// What a step has found to be true.
#[derive(Debug)]
pub(crate) struct Told {
    line: String,
    details: Vec<String>,
}

impl Told {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            details: Vec::new(),
        }
    }

    /// Adds a line below.
    pub(crate) fn detail(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }
}

/// A step that did not hold.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) expected: String,
    pub(crate) seen: String,
}

impl Failed {
    pub(crate) fn new(expected: impl Into<String>, seen: impl Display) -> Self {
        Self {
            expected: expected.into(),
            seen: seen.to_string(),
        }
    }
}

/// What a step gives: something for the steps after it, and its line.
pub(crate) type Step<T> = Result<(T, Told), Failed>;

/// The story has ended early; the reason is told already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken;

/// Says what was expected where it was not met.
pub(crate) trait Expecting<T> {
    /// Turns the error into a failure of the step.
    fn expecting(self, what: impl Into<String>) -> Result<T, Failed>;
}

impl<T> Expecting<T> for anyhow::Result<T> {
    fn expecting(self, what: impl Into<String>) -> Result<T, Failed> {
        self.map_err(|error| Failed::new(what, format!("{error:#}")))
    }
}

/// Fails the step unless the condition holds.
pub(crate) fn ensure(holds: bool, expected: &str, seen: impl Display) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(Failed::new(expected, seen))
    }
}

/// Shows how far a step has come, where the line can be taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn show(self, text: &str) {
        if self.terminal {
            print!("\r\u{1b}[K{}{text}", " ".repeat(INDENT));
            // A terminal that is gone is noticed by the next line.
            let _ = io::stdout().flush();
        }
    }
}

/// Writes the story.
#[derive(Debug)]
pub(crate) struct Teller {
    language: Language,
    logs: String,
    started: Instant,
    held: usize,
    failed: usize,
    colours: bool,
    terminal: bool,
}

impl Teller {
    pub(crate) fn new(language: Language, logs: String) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            language,
            logs,
            started: Instant::now(),
            held: 0,
            failed: 0,
            colours: terminal && !no_color,
            terminal,
        }
    }

    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// The first lines.
    pub(crate) fn title(&self, text: &str) {
        println!("\n{}", self.bold(text));
    }

    /// Begins a part.
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{}", self.bold(title));
    }

    /// Waits for a step and tells how it ended.
    pub(crate) async fn step<T>(
        &mut self,
        step: impl Future<Output = Step<T>>,
    ) -> Result<T, Broken> {
        let started = Instant::now();
        let ended = step.await;
        let took = started.elapsed();
        self.clear_line();
        match ended {
            Ok((value, told)) => {
                self.held += 1;
                println!("{} {}", self.mark("✔", "32", took), told.line);
                for detail in told.details {
                    println!("{}{}", " ".repeat(INDENT), self.dim(&detail));
                }
                Ok(value)
            }
            Err(failed) => {
                self.failed += 1;
                self.tell_failure(&failed, took);
                Err(Broken)
            }
        }
    }

    /// For a long step.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            terminal: self.terminal,
        }
    }

    /// The last line: how many steps held.
    pub(crate) fn end(&self) {
        let (language, held, failed) = (self.language, self.held, self.failed);
        let seconds = format!("{:.1}", self.started.elapsed().as_secs_f64());
        let text = if failed == 0 {
            say!(
                language,
                "All {held} steps held, in {seconds} s.",
                "Все шаги прошли: {held}, за {seconds} с."
            )
        } else {
            say!(
                language,
                "{held} steps held, then one did not; the rest was not tried.",
                "Прошло шагов: {held}, на следующем история прервалась; остальное не проверялось."
            )
        };
        println!("\n{}", self.bold(&text));
    }

    fn tell_failure(&self, failed: &Failed, took: Duration) {
        let words = |english, russian| self.language.pick(english, russian);
        let lines = [
            (words("expected", "ожидалось"), &failed.expected),
            (words("seen", "получено"), &failed.seen),
            (words("logs", "журналы"), &self.logs),
        ];
        for (index, (word, text)) in lines.into_iter().enumerate() {
            let begin = if index == 0 {
                format!("{} ", self.mark("✘", "31", took))
            } else {
                " ".repeat(INDENT)
            };
            println!("{begin}{word}: {text}");
        }
    }

    fn mark(&self, mark: &str, colour: &str, took: Duration) -> String {
        let unit = self.language.pick("ms", "мс");
        let time = format!("{:>TIME_WIDTH$} {unit}", took.as_millis());
        format!("  {} {} ", self.paint(colour, mark), self.dim(&time))
    }

    fn clear_line(&self) {
        if self.terminal {
            print!("\r\u{1b}[K");
        }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
