//! How many are left after each step.

use super::svg::{Anchor, Rect, Svg, value};
use crate::dashboard::{Markup, cut};

const WIDTH: f64 = 340.0;
const ROW: f64 = 50.0;
const BAR: f64 = 20.0;
const NAME: usize = 28;
const STEPS: usize = 20;

/// A step of the funnel.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How many came so far.
    pub count: f64,
    /// The count as people write it, with its part of the step before.
    pub told: String,
}

/// Steps, each as wide as what is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Funnel<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What is told instead when nobody came even to the first step.
    pub empty: &'a str,
    /// From the first to the last.
    pub steps: Vec<Step>,
}

impl Funnel<'_> {
    /// The picture. `id` is unique on the page.
    #[expect(clippy::cast_precision_loss, reason = "there are twenty steps at most")]
    pub fn draw(&self, id: &str) -> Markup {
        let steps = self.steps.get(..STEPS).unwrap_or(&self.steps);
        let greatest = steps
            .iter()
            .map(|step| value(step.count))
            .fold(0.0, f64::max);
        if greatest <= 0.0 {
            let mut svg = Svg::new(id, "rows", (WIDTH, ROW * 2.0), self.title, self.empty);
            svg.text((WIDTH / 2.0, ROW), Anchor::Middle, "empty", self.empty);
            return svg.finish();
        }
        let told: Vec<_> = steps
            .iter()
            .map(|step| format!("{}: {}", step.name, step.told))
            .collect();
        let height = ROW * steps.len() as f64;
        let mut svg = Svg::new(id, "rows", (WIDTH, height), self.title, &told.join("; "));
        let half = |step: &Step| {
            let half = WIDTH / 2.0 * (value(step.count) / greatest);
            if step.count > 0.0 { half.max(1.0) } else { 0.0 }
        };
        let middle = WIDTH / 2.0;
        // What is between the bars lies behind the names.
        for (place, pair) in steps.windows(2).enumerate() {
            let [above, below] = pair else { continue };
            let top = ROW * place as f64 + 22.0 + BAR;
            let bottom = ROW * (place + 1) as f64 + 22.0;
            let (above, below) = (half(above), half(below));
            let corners = [
                (middle - above, top),
                (middle + above, top),
                (middle + below, bottom),
                (middle - below, bottom),
            ];
            svg.polygon(&corners, "between");
        }
        for (place, (step, tip)) in steps.iter().zip(&told).enumerate() {
            let y = ROW * place as f64;
            svg.text(
                (0.0, y + 15.0),
                Anchor::Start,
                "name",
                &cut(&step.name, NAME),
            );
            svg.text(
                (WIDTH, y + 15.0),
                Anchor::End,
                "figure",
                &cut(&step.told, 24),
            );
            let half = half(step);
            let bar = Rect {
                x: middle - half,
                y: y + 22.0,
                width: half * 2.0,
                height: BAR,
            };
            svg.rect(bar, "s0", tip);
        }
        svg.finish()
    }
}
