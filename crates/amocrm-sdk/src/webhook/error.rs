//! What can be wrong with a body.

/// A webhook body that cannot be understood.
///
/// It names the key and says what was expected. Values are left out: they may be phones and e-mails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook {}: expected {expected}", if key.is_empty() { "body" } else { key })]
pub struct ParseError {
    kind: ParseErrorKind,
    key: String,
    expected: &'static str,
}

/// Kind of a [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The body is too long, has too many values or is nested too deeply. Answer 413.
    TooLarge,
    /// The body is not what it claims to be: no JSON object, or a key that is a value and a group at once. Answer 400.
    Malformed,
    /// An item lacks a usable id. Answer 400 if no item has one.
    Item,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, key: &str, expected: &'static str) -> Self {
        Self {
            kind,
            key: clip(key),
            expected,
        }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The key, for example `leads[add][0][id]`; empty if the body as a whole is meant.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was expected, in words.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

/// Keys come from outside, and go into logs short and only if they look like keys: a body of another format, JSON for
/// example, is one long key with all its phones and e-mails in it.
fn clip(key: &str) -> String {
    const MAX_LEN: usize = 120;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    if !key.bytes().all(is_plain) {
        return "(odd key)".to_owned();
    }
    match key.get(..MAX_LEN) {
        Some(start) if key.len() > MAX_LEN => format!("{start}…"),
        _ => key.to_owned(),
    }
}
