//! Stacked columns over time.

use super::scale::Scale;
use super::svg::{Anchor, Rect, Svg, value};
use super::{Label, Size, both};
use crate::dashboard::Markup;
use crate::http::Language;

const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Room that the label of a day needs.
const LABEL_ROOM: f64 = 52.0;
/// As many colours as the stylesheet has; the last is that of "the others".
const COLOURS: usize = 9;

/// A part of every column.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// A value for each label.
    pub values: Vec<u64>,
}

/// Columns over time, each stacked of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What can be seen in it, in a sentence.
    pub description: &'a str,
    /// What is told instead of columns when all values are zero.
    pub empty: &'a str,
    /// For numbers.
    pub language: Language,
    /// The days.
    pub labels: Vec<Label>,
    /// The first is at the bottom; of more than nine, the rest look the same.
    pub series: Vec<Series>,
}

impl Columns<'_> {
    /// The picture in either size. `id` is unique on the page.
    pub fn draw(&self, id: &str) -> Markup {
        both(id, |id, size| self.draw_in(id, size))
    }

    #[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
    fn draw_in(&self, id: &str, size: Size) -> Markup {
        let width = size.width();
        let mut svg = Svg::new(
            id,
            size.class(),
            (width, HEIGHT),
            self.title,
            self.description,
        );
        let of = |series: &Series, place: usize| {
            series
                .values
                .get(place)
                .map_or(0.0, |count| value(*count as f64))
        };
        let totals: Vec<f64> = (0..self.labels.len())
            .map(|place| value(self.series.iter().map(|series| of(series, place)).sum()))
            .collect();
        if totals.iter().all(|total| *total <= 0.0) {
            svg.text(
                (width / 2.0, HEIGHT / 2.0),
                Anchor::Middle,
                "empty",
                self.empty,
            );
            return svg.finish();
        }
        let scale = Scale::Counts.fit(totals.iter().copied());
        let room = HEIGHT - TOP - BOTTOM;
        for tick in &scale.ticks {
            let y = TOP + room * (1.0 - scale.height(*tick));
            svg.rule(LEFT, y, width - RIGHT);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "ticks are small whole numbers"
            )]
            let text = short_count(self.language, *tick as u64);
            svg.text((LEFT - 6.0, y + 4.0), Anchor::End, "tick", &text);
        }
        let step = (width - LEFT - RIGHT) / self.labels.len() as f64;
        let column = (step * 0.78).clamp(1.0, 48.0);
        let every = label_distance(self.labels.len(), step);
        for (place, label) in self.labels.iter().enumerate() {
            let middle = LEFT + step * (place as f64 + 0.5);
            let mut below = 0.0;
            for (number, series) in self.series.iter().enumerate() {
                let count = of(series, place);
                if count <= 0.0 {
                    continue;
                }
                let (from, to) = (scale.height(below), scale.height(below + count));
                below += count;
                let rect = Rect {
                    x: middle - column / 2.0,
                    y: TOP + room * (1.0 - to),
                    width: column,
                    height: room * (to - from),
                };
                let told = self
                    .language
                    .count(series.values.get(place).copied().unwrap_or(0));
                let tip = format!("{} · {}: {told}", label.full, series.name);
                svg.rect(rect, &format!("s{}", number.min(COLOURS - 1)), &tip);
            }
            // Counted from the end: the reader wants to know where today is.
            if (self.labels.len() - 1 - place).is_multiple_of(every) {
                let half = LABEL_ROOM / 2.0 - 6.0;
                let x = middle.clamp(LEFT, width - half);
                svg.text((x, HEIGHT - 8.0), Anchor::Middle, "tick", &label.short);
            }
        }
        svg.finish()
    }
}

/// Every how many labels there is room for one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between one and the number of labels"
)]
pub(super) fn label_distance(labels: usize, step: f64) -> usize {
    ((LABEL_ROOM / step.max(0.01)).ceil() as usize).clamp(1, labels.max(1))
}

/// `1 500`, or `1,5M` where there is no room for more.
fn short_count(language: Language, count: u64) -> String {
    let (unit, name) = match count {
        0..100_000 => return language.count(count),
        100_000..1_000_000 => (1_000, language.pick("К", "K")),
        1_000_000..1_000_000_000 => (1_000_000, language.pick("М", "M")),
        _ => (1_000_000_000, language.pick("Г", "G")),
    };
    match (count / unit, count % unit * 10 / unit) {
        (whole, 0) => format!("{}{name}", language.count(whole)),
        (whole, part) => format!("{whole}{}{part}{name}", language.pick(',', '.')),
    }
}
