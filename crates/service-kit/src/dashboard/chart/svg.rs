//! Writing SVG.

use std::fmt::Write as _;

use crate::dashboard::{Markup, escape};

/// Beyond this nothing can be told apart any more, and sums stay finite.
const GREATEST: f64 = 1e15;

/// A value as it is drawn: what is no number, or below zero, is zero.
pub(super) fn value(value: f64) -> f64 {
    if value > 0.0 {
        value.min(GREATEST)
    } else {
        0.0
    }
}

/// A picture that is being drawn.
#[derive(Debug)]
pub(super) struct Svg {
    text: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where a text is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Svg {
    /// An empty picture with its title and description. `id` is unique on the page and of our own making.
    pub(super) fn new(
        id: &str,
        class: &str,
        (width, height): (f64, f64),
        title: &str,
        description: &str,
    ) -> Self {
        let mut text = String::with_capacity(4096);
        let (id, title, description) = (escape(id), escape(title), escape(description));
        let _ = write!(
            text,
            "<svg class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>"
        );
        Self {
            text,
            width,
            height,
        }
    }

    /// A rectangle, kept within the picture. `tip` is told where a pointer rests.
    pub(super) fn rect(&mut self, rect: Rect, class: &str, tip: &str) {
        let (x, y) = (self.x(rect.x), self.y(rect.y));
        let width = self.x(rect.x + rect.width) - x;
        let height = self.y(rect.y + rect.height) - y;
        let _ = write!(
            self.text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"",
            // Rounding must not carry it over the edge.
            (width - 0.1).max(0.0),
            (height - 0.1).max(0.0),
        );
        self.close("rect", tip);
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, class: &str, tip: &str) {
        let x = self.x(x).clamp(radius, self.width - radius);
        let y = self.y(y).clamp(radius, self.height - radius);
        let _ = write!(
            self.text,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\""
        );
        self.close("circle", tip);
    }

    /// A line through these points.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], class: &str) {
        self.points("polyline", points, class);
    }

    pub(super) fn polygon(&mut self, points: &[(f64, f64)], class: &str) {
        self.points("polygon", points, class);
    }

    /// A text, escaped. The caller cuts it to its place.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (self.x(x), self.y(y));
        let _ = write!(
            self.text,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// A line of the grid from left to right.
    pub(super) fn rule(&mut self, x: f64, y: f64, right: f64) {
        let (x, y, right) = (self.x(x), self.y(y), self.x(right));
        let _ = write!(
            self.text,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>"
        );
    }

    pub(super) fn finish(mut self) -> Markup {
        self.text.push_str("</svg>");
        Markup::from(self.text)
    }

    fn points(&mut self, name: &str, points: &[(f64, f64)], class: &str) {
        let _ = write!(self.text, "<{name} class=\"{class}\" points=\"");
        for (place, &(x, y)) in points.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            let (x, y) = (self.x(x), self.y(y));
            let _ = write!(self.text, "{gap}{x:.1},{y:.1}");
        }
        self.text.push_str("\"/>");
    }

    fn close(&mut self, name: &str, tip: &str) {
        if tip.is_empty() {
            self.text.push_str("/>");
        } else {
            let _ = write!(self.text, "><title>{}</title></{name}>", escape(tip));
        }
    }

    fn x(&self, x: f64) -> f64 {
        within(x, self.width)
    }

    fn y(&self, y: f64) -> f64 {
        within(y, self.height)
    }
}

fn within(place: f64, end: f64) -> f64 {
    if place.is_nan() {
        0.0
    } else {
        place.clamp(0.0, end)
    }
}
