//! Bars one below the other, each with its name above it.

use super::svg::{Anchor, Rect, Svg, value};
use crate::dashboard::{Markup, cut};

const WIDTH: f64 = 340.0;
const ROW: f64 = 38.0;
const BAR: f64 = 12.0;
/// Letters of a name that fit beside its figure.
const NAME: usize = 30;
/// More rows than anybody reads.
const ROWS: usize = 30;

/// A name and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    name: String,
    value: f64,
    told: String,
}

impl Bar {
    /// A bar as long as its value; `told` is the value as people write it.
    pub fn new(name: impl Into<String>, value: f64, told: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value,
            told: told.into(),
        }
    }
}

/// Bars, the longest as wide as the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What is told instead when there are no bars, or all are zero.
    pub empty: &'a str,
    /// From the top. The first thirty are drawn.
    pub bars: Vec<Bar>,
}

impl Bars<'_> {
    /// The picture. `id` is unique on the page.
    #[expect(clippy::cast_precision_loss, reason = "there are thirty rows at most")]
    pub fn draw(&self, id: &str) -> Markup {
        let bars = self.bars.get(..ROWS).unwrap_or(&self.bars);
        let greatest = bars.iter().map(|bar| value(bar.value)).fold(0.0, f64::max);
        if greatest <= 0.0 {
            let mut svg = Svg::new(id, "rows", (WIDTH, ROW * 2.0), self.title, self.empty);
            svg.text((WIDTH / 2.0, ROW), Anchor::Middle, "empty", self.empty);
            return svg.finish();
        }
        let told: Vec<_> = bars
            .iter()
            .map(|bar| format!("{}: {}", bar.name, bar.told))
            .collect();
        let height = ROW * bars.len() as f64;
        let mut svg = Svg::new(id, "rows", (WIDTH, height), self.title, &told.join("; "));
        for (place, (bar, tip)) in bars.iter().zip(&told).enumerate() {
            let y = ROW * place as f64;
            svg.text(
                (0.0, y + 14.0),
                Anchor::Start,
                "name",
                &cut(&bar.name, NAME),
            );
            svg.text(
                (WIDTH, y + 14.0),
                Anchor::End,
                "figure",
                &cut(&bar.told, 24),
            );
            let track = Rect {
                x: 0.0,
                y: y + 20.0,
                width: WIDTH,
                height: BAR,
            };
            svg.rect(track, "track", "");
            let width = WIDTH * (value(bar.value) / greatest);
            // What is not nothing can be seen.
            let width = if bar.value > 0.0 { width.max(2.0) } else { 0.0 };
            svg.rect(Rect { width, ..track }, "s0", tip);
        }
        svg.finish()
    }
}
