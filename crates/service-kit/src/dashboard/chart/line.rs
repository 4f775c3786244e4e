//! Lines over time.

use super::columns::label_distance;
use super::svg::{Anchor, Svg};
use super::{Label, Scale, Size, both};
use crate::dashboard::Markup;

const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
const DOT: f64 = 2.5;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// A value for each label; the line is interrupted where there is none.
    pub values: Vec<Option<f64>>,
}

/// Lines over time.
#[derive(Debug)]
pub struct Lines<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What can be seen in it, in a sentence.
    pub description: &'a str,
    /// What is told instead when there are no values.
    pub empty: &'a str,
    /// The days.
    pub labels: Vec<Label>,
    /// At most nine have colours of their own.
    pub lines: Vec<Line>,
    /// How values become heights.
    pub scale: Scale,
    /// How a value is written.
    pub format: fn(crate::http::Language, f64) -> String,
    /// For numbers.
    pub language: crate::http::Language,
}

impl Lines<'_> {
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
        let values = || {
            self.lines
                .iter()
                .flat_map(|line| line.values.iter().take(self.labels.len()))
                .filter_map(|value| *value)
        };
        if values().next().is_none() {
            svg.text(
                (width / 2.0, HEIGHT / 2.0),
                Anchor::Middle,
                "empty",
                self.empty,
            );
            return svg.finish();
        }
        let scale = self.scale.fit(values());
        let room = HEIGHT - TOP - BOTTOM;
        for tick in &scale.ticks {
            let y = TOP + room * (1.0 - scale.height(*tick));
            svg.rule(LEFT, y, width - RIGHT);
            let text = (self.format)(self.language, *tick);
            svg.text((LEFT - 6.0, y + 4.0), Anchor::End, "tick", &text);
        }
        let step = (width - LEFT - RIGHT) / self.labels.len() as f64;
        let every = label_distance(self.labels.len(), step);
        for (place, label) in self.labels.iter().enumerate() {
            if (self.labels.len() - 1 - place).is_multiple_of(every) {
                let x = LEFT + step * (place as f64 + 0.5);
                let at = (x.clamp(LEFT, width - 20.0), HEIGHT - 8.0);
                svg.text(at, Anchor::Middle, "tick", &label.short);
            }
        }
        for (number, line) in self.lines.iter().enumerate() {
            let number = number.min(8);
            let mut run: Vec<(f64, f64)> = Vec::new();
            let mut dots = Vec::new();
            for (place, label) in self.labels.iter().enumerate() {
                let Some(value) = line.values.get(place).copied().flatten() else {
                    draw_run(&mut svg, &mut run, number);
                    continue;
                };
                let x = LEFT + step * (place as f64 + 0.5);
                let y = TOP + room * (1.0 - scale.height(value));
                run.push((x, y));
                let told = (self.format)(self.language, value);
                dots.push(((x, y), format!("{} · {}: {told}", label.full, line.name)));
            }
            draw_run(&mut svg, &mut run, number);
            for (at, tip) in dots {
                svg.circle(at, DOT, &format!("s{number}"), &tip);
            }
        }
        svg.finish()
    }
}

fn draw_run(svg: &mut Svg, run: &mut Vec<(f64, f64)>, number: usize) {
    if run.len() > 1 {
        svg.polyline(run, &format!("line l{number}"));
    }
    run.clear();
}
