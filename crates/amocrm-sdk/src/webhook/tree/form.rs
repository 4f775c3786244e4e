//! Names and values of a form, decoded.

use std::borrow::Cow;

/// Pairs of an `application/x-www-form-urlencoded` body, as the [URL standard] reads it, which `form_urlencoded` does too.
/// Keys of amoCRM are mostly escapes; here a body is read in one pass, and keys take no memory of their own.
///
/// [URL standard]: https://url.spec.whatwg.org/#urlencoded-parsing
pub(super) struct Pairs<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The next pair. The key is lent until the next one is asked for.
    pub(super) fn next(&mut self) -> Option<(Cow<'_, str>, String)> {
        while let [b'&', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        self.key.clear();
        self.value.clear();
        if decode(&mut self.rest, &mut self.key, b'=') == Some(b'=') {
            decode(&mut self.rest, &mut self.value, b'&');
        }
        Some((text(&self.key), text(&self.value).into_owned()))
    }
}

/// Decodes up to `&` or `end`, and tells which of them was met.
fn decode(from: &mut &[u8], to: &mut Vec<u8>, end: u8) -> Option<u8> {
    loop {
        let special = |byte: &u8| matches!(byte, b'%' | b'+' | b'&') || *byte == end;
        let at = from.iter().position(special).unwrap_or(from.len());
        to.extend_from_slice(&from[..at]);
        *from = &from[at..];
        let (byte, rest) = match *from {
            [] => return None,
            [met, rest @ ..] if *met == b'&' || *met == end => {
                *from = rest;
                return Some(*met);
            }
            [b'+', rest @ ..] => (b' ', rest),
            [b'%', rest @ ..] => match escaped(rest) {
                Some(byte) => (byte, &rest[2..]),
                None => (b'%', rest),
            },
            [other, rest @ ..] => (*other, rest),
        };
        to.push(byte);
        *from = rest;
    }
}

/// The byte of the two digits after `%`.
fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Whole texts are quicker looked at once than piece by piece.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_form_is_read_as_the_standard_says(body in "([a%+&=]|%[0-9a-gA-G]{2}|[\\PC]){0,40}", odd in any::<Vec<u8>>()) {
            for body in [body.as_bytes(), &odd] {
                let mut pairs = Pairs::of(body);
                for (key, value) in form_urlencoded::parse(body) {
                    prop_assert_eq!(pairs.next(), Some((key, value.into_owned())));
                }
                prop_assert_eq!(pairs.next(), None);
            }
        }
    }
}
