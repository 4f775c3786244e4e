//! The parts that pages have in common.

use askama::Template;

use super::{Markup, PageError};
use crate::http::Language;

/// Declares a struct of words and how each is called in Russian and English, for a template to say them.
///
/// ```
/// service_kit::words! {
///     struct Words;
///     day: "День", "Day";
///     total: "Всего", "Total";
/// }
/// assert_eq!(Words::of(service_kit::http::Language::English).day, "Day");
/// ```
#[macro_export]
macro_rules! words {
    ($visibility:vis struct $words:ident; $($name:ident: $russian:literal, $english:literal;)*) => {
        #[derive(Debug)]
        $visibility struct $words {
            $($name: &'static str,)*
        }

        impl $words {
            $visibility fn of(language: $crate::http::Language) -> Self {
                Self {
                    $($name: language.pick($russian, $english),)*
                }
            }
        }
    };
}

/// A figure that everybody looks at first.
#[derive(Debug, Clone)]
pub struct Tile {
    /// What it is.
    pub name: &'static str,
    /// The figure.
    pub figure: String,
    /// What makes it understood.
    pub note: String,
    /// Somebody has to do something.
    pub is_bad: bool,
}

#[derive(Debug, Template)]
#[template(path = "tiles.html")]
struct Tiles<'a> {
    overview: &'static str,
    tiles: &'a [Tile],
}

/// The first figures of a page.
///
/// # Errors
///
/// When the template fails, which it does for no values that we know.
pub fn tiles(tiles: &[Tile], language: Language) -> Result<Markup, PageError> {
    let overview = language.pick("Главное", "Overview");
    Ok(Markup::from(Tiles { overview, tiles }.render()?))
}

/// A colour and what it stands for.
#[derive(Debug, Clone)]
pub struct Swatch {
    /// `s0` to `s8`.
    pub class: String,
    /// What it stands for.
    pub name: String,
    /// How much of it there is.
    pub figure: String,
}

/// A day of a table, or a week.
#[derive(Debug, Clone)]
pub struct DayRow {
    /// Which.
    pub day: String,
    /// All of it.
    pub total: String,
    /// What the colours stand for, in their order.
    pub parts: Vec<String>,
}

/// A card with a picture of days, its legend and its table.
#[derive(Debug, Clone, Template)]
#[template(path = "days.html")]
pub struct Days {
    /// Its anchor on the page.
    pub id: &'static str,
    /// What is shown.
    pub title: &'static str,
    /// The language of the table's head.
    pub language: Language,
    /// The picture.
    pub chart: Markup,
    /// Its colours; nothing of the legend and the table is shown without any.
    pub legend: Vec<Swatch>,
    /// The rows of the table.
    pub rows: Vec<DayRow>,
}

impl Days {
    /// The card.
    ///
    /// # Errors
    ///
    /// When the template fails, which it does for no values that we know.
    pub fn draw(&self) -> Result<Markup, PageError> {
        Ok(Markup::from(self.render()?))
    }
}
