//! What the deal's notes say about messages and answers.

use std::fmt::Write as _;

use service_kit::http::Language;
use store::{LeadRow, MessageRow, NewFunnelNote};

use crate::worker::lane;

/// A note is a note, not an archive: longer texts are cut.
const LONGEST: usize = 4_000;

/// What a note says about a message that left, or may have.
pub(super) struct Said<'a> {
    pub(super) language: Language,
    /// The subject of an e-mail, or a template's name.
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    /// Whether it is known to have left.
    pub(super) is_sent: bool,
}

pub(super) fn of_message(row: &LeadRow, message: &MessageRow, said: &Said<'_>) -> NewFunnelNote {
    use store::Channel::{Email, Whatsapp};
    let (head, title) = match (said.language, message.channel, said.is_sent) {
        (Language::Russian, Email, true) => ("Клиенту отправлено письмо", "Тема"),
        (Language::Russian, Email, false) => (
            "Письмо клиенту: неизвестно, ушло ли оно; повторно не отправляется",
            "Тема",
        ),
        (Language::Russian, Whatsapp, true) => ("Клиенту отправлено сообщение WhatsApp", "Шаблон"),
        (Language::Russian, Whatsapp, false) => (
            "Сообщение WhatsApp клиенту: неизвестно, ушло ли оно; повторно не отправляется",
            "Шаблон",
        ),
        (Language::English, Email, true) => ("An e-mail was sent to the client", "Subject"),
        (Language::English, Email, false) => (
            "An e-mail to the client: nobody knows whether it left; it is not sent again",
            "Subject",
        ),
        (Language::English, Whatsapp, true) => {
            ("A WhatsApp message was sent to the client", "Template")
        }
        (Language::English, Whatsapp, false) => (
            "A WhatsApp message to the client: nobody knows whether it left; it is not sent again",
            "Template",
        ),
    };
    let mut text = format!("{head} ({}, {})\n", message.funnel, message.step);
    if !said.title.is_empty() {
        let _ = writeln!(text, "{title}: {}", said.title);
    }
    if !said.text.trim().is_empty() {
        let _ = writeln!(text, "\n{}", cut(said.text.trim()));
    }
    marked(row, &format!("m{}", message.id), text)
}

/// What the client wrote.
pub(super) fn of_answer(row: &LeadRow, language: Language, id: &str, text: &str) -> NewFunnelNote {
    let head = match language {
        Language::Russian => "Клиент написал в WhatsApp",
        Language::English => "The client wrote by WhatsApp",
    };
    let text = format!("{head}\n\n{}\n", cut(text.trim()));
    marked(row, id, text)
}

/// The last line tells later attempts that the note is there. Its bracket keeps `m1` and `m12` apart, and it is no
/// marker of the lead's own note.
fn marked(row: &LeadRow, id: &str, mut text: String) -> NewFunnelNote {
    let marker = format!("[lead-intake/message {} {id}]", row.intake_id);
    let _ = write!(text, "\n{marker}");
    NewFunnelNote { marker, text, lane }
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// A Message-ID is the same for every attempt, so that receivers can tell a repetition.
pub(super) fn message_id(row: &LeadRow, message: &MessageRow, domain: &str) -> String {
    format!("<m{}.{}@{domain}>", message.id, row.intake_id)
}

/// The number of our message, and its lead's intake id, in a Message-ID of ours.
pub(crate) fn message_of_id(text: &str) -> Option<(i64, &str)> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    let (local, _) = text.rsplit_once('@')?;
    let (number, intake_id) = local.strip_prefix('m')?.split_once('.')?;
    Some((number.parse().ok()?, intake_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_of_ours_is_recognised() {
        assert_eq!(message_of_id("<m12.abc-d@x.example>"), Some((12, "abc-d")));
        for foreign in ["", "<>", "<m.abc@x>", "<12.abc@x>", "m12@x", "<m12.abc>"] {
            assert_eq!(message_of_id(foreign), None, "{foreign}");
        }
    }
}
