//! Text that is HTML or SVG already, and how other text becomes it.

use std::fmt;

/// Finished HTML or SVG: a template writes it as it is (`{{ chart|safe }}`).
///
/// Charts and templates make it, for they escape what they are given. Make it of nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

impl From<String> for Markup {
    /// Takes over what a template has rendered, or a chart.
    fn from(rendered: String) -> Self {
        Self(rendered)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text made fit for HTML and SVG, between tags and in quoted attributes. Characters that XML does not know are dropped.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter if letter.is_control() || is_invisible(letter) => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Marks that turn the direction of the text around them, or are no characters: names from outside could rearrange a
/// line with them.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// At most `width` letters of a name, with an ellipsis if it is longer. Letters of East Asia are as wide as two.
pub fn cut(name: &str, width: usize) -> String {
    let mut taken = 0;
    let mut short = String::new();
    for letter in name.chars() {
        let wide = if letter >= '\u{1100}' { 2 } else { 1 };
        if taken + wide > width {
            // The ellipsis takes the place of the last letter.
            while taken + 1 > width {
                let Some(last) = short.pop() else { break };
                taken -= if last >= '\u{1100}' { 2 } else { 1 };
            }
            short.push('…');
            return short;
        }
        taken += wide;
        short.push(letter);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::{cut, escape};

    #[test]
    fn a_long_name_is_cut_to_its_place() {
        assert_eq!(cut("google", 6), "google");
        assert_eq!(cut("google ads", 6), "googl…");
        assert_eq!(cut("谷歌广告", 6), "谷歌…");
        assert_eq!(cut("谷", 1), "…");
        assert_eq!(cut("any", 0), "…");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(
            escape("<script>\"'&\u{0}\u{202e}"),
            "&lt;script&gt;&quot;&#39;&amp;"
        );
    }
}
