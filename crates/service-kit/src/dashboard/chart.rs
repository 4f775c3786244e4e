//! Charts as SVG: pure functions, values in and a picture out.
//!
//! Every picture has a title and a description for those who do not see it, and each of its marks tells its value to a
//! pointer that rests on it. Colours come from the stylesheet by class, so they follow the reader's light or dark. Names
//! may come from anybody: they are cut and escaped. Values may be anything: what is no number above zero is zero, and no
//! mark leaves the picture.
//!
//! A picture shrinks with the page, and its letters with it. So charts over time are drawn twice, for wide pages and for
//! telephones, and the stylesheet shows one of them.

mod bars;
mod columns;
mod funnel;
mod line;
mod scale;
mod svg;

pub use self::bars::{Bar, Bars};
pub use self::columns::{Columns, Series};
pub use self::funnel::{Funnel, Step};
pub use self::line::{Line, Lines};
pub use self::scale::Scale;

use super::Markup;

/// A place on the time axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Below the axis, where there is room: `21.11`.
    pub short: String,
    /// Where a pointer rests: `21.11.2026`.
    pub full: String,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Wide,
    Narrow,
}

impl Size {
    fn width(self) -> f64 {
        match self {
            Self::Wide => 720.0,
            Self::Narrow => 340.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// The picture for either size. The names by which a picture refers to its title have to differ.
fn both(id: &str, draw: impl Fn(&str, Size) -> Markup) -> Markup {
    let [wide, narrow] = [Size::Wide, Size::Narrow].map(|size| {
        let class = size.class();
        draw(&format!("{id}-{class}"), size)
    });
    Markup::from(format!("{wide}{narrow}"))
}
