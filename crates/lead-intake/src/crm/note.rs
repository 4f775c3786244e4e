//! The note of a deal: the visitor's comment, and what found no field.

use std::fmt::Write as _;

use amocrm_sdk::{Client, LeadId};
use connection::add_marked_note;

use super::CrmError;
use crate::lead::LeadForm;

/// What the note says; `None` if there is nothing to say. The last line tells later attempts that it is there.
pub(crate) fn note_text(
    form: &LeadForm,
    unplaced: &[(String, String)],
    intake_id: &str,
) -> Option<String> {
    if form.comment.is_none() && unplaced.is_empty() {
        return None;
    }
    let mut text = String::new();
    if let Some(comment) = &form.comment {
        let _ = writeln!(text, "{comment}\n");
    }
    for (name, value) in unplaced {
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = write!(text, "{}", marker(intake_id));
    Some(text)
}

/// Adds the note unless a note with its marker is there already.
pub(crate) async fn add_note_once(
    client: &Client,
    deal: LeadId,
    text: String,
    intake_id: &str,
) -> Result<(), CrmError> {
    add_marked_note(client, deal, text, &marker(intake_id)).await
}

fn marker(intake_id: &str) -> String {
    format!("lead-intake {intake_id}")
}
