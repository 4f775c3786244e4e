//! Lines for people: a table's cells, colours, and nothing from outside that a terminal would obey.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to this output.
    pub(super) fn is_on(self, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Writes in colour, or plainly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// A text in the colour of its entity: the same every time.
    pub(super) fn entity(self, entity: &str, text: &str) -> String {
        let code = match entity {
            "leads" => 36,
            "contacts" => 32,
            "companies" => 34,
            "customers" => 35,
            "tasks" => 33,
            "unsorted" => 95,
            "talks" | "messages" | "chats" => 94,
            "catalog_elements" | "catalogs" => 92,
            _ => 37,
        };
        self.with(code, text)
    }

    /// A text that nobody need read.
    pub(super) fn quiet(self, text: &str) -> String {
        self.with(90, text)
    }

    /// A text that says that all is well.
    pub(super) fn good(self, text: &str) -> String {
        self.with(32, text)
    }

    /// A text that says that something is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.with(31, text)
    }

    fn with(self, code: u8, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A text from outside as one line that no terminal takes for an order.
pub(super) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => line.push(' '),
            letter if letter.is_control() => {
                let _ = write!(line, "{}", letter.escape_unicode());
            }
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            letter => line.push(letter),
        }
    }
    line
}

/// `45s`, `12m`, `5h`, `3d`.
pub(super) fn age(age: TimeDelta) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `2026-11-21 14:05:09`, in UTC.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Rows below each other, every column as wide as its widest cell.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these titles.
    pub(super) fn new<const N: usize>(titles: [&str; N]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned).into()],
        }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| plain(&cell)).into());
    }

    /// The lines, without spaces at their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let mut line = String::new();
                for (cell, width) in row.iter().zip(&widths) {
                    let _ = write!(line, "{cell:<width$}  ");
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\r\nc\u{202e}d"), "a\\u{1b}[31mb  cd");
        assert_eq!(Paint(false).bad("x"), "x");
        assert_eq!(Paint(true).bad("x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(["ID", "REASON"]);
        table.row(["1234".to_owned(), "не ответил".to_owned()]);
        table.row(["9".to_owned(), String::new()]);
        assert_eq!(table.lines(), ["ID    REASON", "1234  не ответил", "9"]);
    }
}
