//! What became of one attempt, whatever it went to.

use std::time::Duration;

use tokio::time::Instant;

/// Much of an answer is kept for people to look at, not all of it.
const EXCERPT_BYTES: usize = 16 * 1024;

/// An event as it leaves.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The event's id, the same for every attempt and subscriber.
    pub(crate) id: String,
    /// The account's name.
    pub(crate) account: String,
    /// `leads.status`.
    pub(crate) kind: String,
    /// The envelope.
    pub(crate) body: bytes::Bytes,
}

/// How long an attempt may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long the subscriber may take.
    pub(crate) timeout: Duration,
    /// When somebody else may have the claim: nothing is sent from then on.
    pub(crate) trust_ends: Instant,
}

impl Limits {
    /// When the attempt ends if it begins now.
    pub(crate) fn deadline(self) -> Instant {
        (Instant::now() + self.timeout).min(self.trust_ends)
    }
}

/// How a subscriber answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has the event.
    Taken {
        /// Of HTTP.
        status: Option<u16>,
    },
    /// It answered something else.
    Refused {
        /// Of HTTP.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It did not answer, or could not be asked.
    Failed {
        /// Why, without addresses and secrets.
        reason: String,
    },
}

/// An answer, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) excerpt: Option<String>,
}

impl Reply {
    pub(crate) fn taken() -> Self {
        Answer::Taken { status: None }.into()
    }

    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Answer::Failed {
            reason: reason.into(),
        }
        .into()
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            excerpt: None,
        }
    }
}

/// The beginning of a body, for people: only if it is text.
#[derive(Debug, Default)]
pub(crate) struct Excerpt(Vec<u8>);

impl Excerpt {
    /// Takes what has come. `false`: it is enough.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let room = EXCERPT_BYTES - self.0.len();
        self.0.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.0.len() < EXCERPT_BYTES
    }

    /// The text. `None` if there is none, or it is no text.
    pub(crate) fn into_text(mut self) -> Option<String> {
        if let Err(error) = std::str::from_utf8(&self.0) {
            // A character that was cut off at the end is no reason to doubt the rest.
            let is_cut = error.error_len().is_none();
            self.0
                .truncate(if is_cut { error.valid_up_to() } else { 0 });
        }
        let text = String::from_utf8(self.0).ok()?;
        // PostgreSQL takes no NUL, and a terminal should get no commands.
        let text = text.replace(
            |character: char| character.is_control() && !"\n\r\t".contains(character),
            "\u{fffd}",
        );
        (!text.is_empty()).then(|| shortened(text))
    }
}

/// Replacing may have made it longer again.
fn shortened(mut text: String) -> String {
    if text.len() > EXCERPT_BYTES {
        let end = (0..=EXCERPT_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_text() {
        let read = |parts: &[&[u8]]| {
            let mut excerpt = Excerpt::default();
            for part in parts {
                if !excerpt.push(part) {
                    break;
                }
            }
            excerpt.into_text()
        };
        assert_eq!(
            read(&[b"no", b" such lead"]).as_deref(),
            Some("no such lead")
        );
        assert_eq!(read(&["ошибка".as_bytes()]).as_deref(), Some("ошибка"));
        assert_eq!(
            read(&[&"ошибка".as_bytes()[..11]]).as_deref(),
            Some("ошибк")
        );
        assert_eq!(
            read(&[b"a\0b\x1b[31mc"]).as_deref(),
            Some("a\u{fffd}b\u{fffd}[31mc")
        );
        assert_eq!(read(&[b"a\xff\xfe"]), None);
        assert_eq!(read(&[]), None);
        assert_eq!(
            read(&[&vec![b'x'; 20_000], b"y"]).map(|text| text.len()),
            Some(16_384)
        );
        assert!(read(&[&vec![0; 20_000]]).is_some_and(|text| text.len() <= 16_384));
    }
}
