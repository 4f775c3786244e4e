//! From what amoCRM says to what is stored: pure functions.

use std::time::Duration;

use amocrm_sdk::webhook::{Action, CloudEvent, Event};
use amocrm_sdk::{PipelineId, StatusId};
use service_kit::hex;
use sha2::{Digest as _, Sha256};
use store::{Dedup, NewEvent};
use uuid::Uuid;

use super::{Arrived, fields};
use crate::routing::{Facts, Snapshot};

/// All of amoCRM's repetitions lie within 95 minutes (`01-auth-limits-webhooks.md` §6.9). An event that does not tell when
/// its entity changed looks the same when the same happens again, so it is not remembered for longer than that takes.
const UNTIMED_WINDOW: Duration = Duration::from_hours(2);
/// Longest subject that is kept as it is: ids of messages and of unsorted leads are texts from outside.
const MAX_SUBJECT: usize = 128;

/// What is stored of an event.
pub(super) fn prepare(
    event: &Event,
    arrived: &Arrived,
    account: &str,
    snapshot: &Snapshot,
    window: Duration,
) -> NewEvent {
    let event_id = format!("evt_{}", Uuid::now_v7().simple());
    let envelope = CloudEvent::new(event_id.clone(), event.clone(), arrived.account.clone())
        .received_at(arrived.at);
    let kind = short_kind(&envelope);
    let subject = envelope.subject().map(plain_subject);
    let (pipeline_id, status_id) = place(event);
    let facts = Facts {
        kind: &kind,
        account,
        subject: subject.as_deref(),
        pipeline_id,
        status_id,
    };
    let occurred_at = event.updated_at();
    let wants_fields = facts.is_whole() && !snapshot.watched.is_empty();
    NewEvent {
        account_id: arrived
            .account
            .id
            .and_then(|id| i64::try_from(id.get()).ok()),
        pipeline_id,
        status_id,
        occurred_at,
        dedup: Dedup {
            key: key(account, event, arrived, &event_id),
            window: if occurred_at.is_some() {
                window
            } else {
                UNTIMED_WINDOW.min(window)
            },
        },
        envelope: text(&envelope),
        fields: wants_fields.then(|| fields::hashes(event.raw(), &snapshot.watched)),
        routes: snapshot.routes(&facts),
        event_id,
        kind,
        subject,
    }
}

/// `leads.status` of `amocrm.leads.status.v1`.
fn short_kind(envelope: &CloudEvent) -> String {
    let kind = envelope.event_type();
    let short = kind.strip_prefix("amocrm.").unwrap_or(&kind);
    let short = short.rsplit_once('.').map_or(short, |(short, _)| short);
    short.to_owned()
}

/// Ids from outside may be of any length and hold anything; lanes and lists want short plain texts.
fn plain_subject(subject: String) -> String {
    if subject.len() <= MAX_SUBJECT && !subject.chars().any(char::is_control) {
        return subject;
    }
    let entity = subject.split('/').next().unwrap_or_default();
    let digest = Sha256::digest(subject.as_bytes());
    format!("{entity}/~{}", hex(&digest[..16]))
}

/// Pipeline and stage, where an event is about a deal.
fn place(event: &Event) -> (Option<i64>, Option<i64>) {
    let (pipeline, status) = match event {
        Event::Lead(event) => (event.pipeline_id, event.status_id),
        Event::Widget(event) => (event.pipeline_id, event.status_id),
        Event::Unsorted(event) => (event.pipeline_id, None),
        _ => (None, None),
    };
    let number = |id: u64| i64::try_from(id).ok();
    (
        pipeline.map(PipelineId::get).and_then(number),
        status.map(StatusId::get).and_then(number),
    )
}

/// What tells an event from others: the account as we call it, and everything that came, whatever the order. An event that
/// does not tell when its entity changed looks the same when the same happens again; then its request tells them apart.
fn key(account: &str, event: &Event, arrived: &Arrived, event_id: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    // A name has no zero byte.
    hash.update(account.as_bytes());
    hash.update([0]);
    hash.update(event.dedup_key(&arrived.account).as_bytes());
    if event.updated_at().is_none() {
        hash.update([0]);
        match &arrived.request_id {
            Some(request) => hash.update(request),
            // A second call within an hour is the rule rather than a repetition.
            None if is_signal(event.action()) => hash.update(event_id),
            None => {}
        }
    }
    hash.finalize().into()
}

/// What the digital pipeline tells of a deal to which nothing has happened: there was a call, a mail, a message, a visit.
fn is_signal(action: &Action) -> bool {
    matches!(
        action,
        Action::CallIn | Action::MailIn | Action::Chat | Action::SiteVisit
    )
}

fn text(envelope: &CloudEvent) -> String {
    serde_json::to_string(envelope).unwrap_or_else(|_| {
        unreachable!("an envelope is made of texts, which can be written as JSON")
    })
}

/// What a metric says about an event. Names that we do not know come from outside: anybody could fill the metrics with
/// them, or with people's data.
pub(super) fn labels(event: &Event) -> (String, String) {
    let other = || "other".to_owned();
    let entity = match event {
        Event::Unknown(_) => other(),
        known => known.entity_kind().to_string(),
    };
    let action = match event.action() {
        Action::Unknown(_) => other(),
        known => known.to_string(),
    };
    (entity, action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_makes_a_short_plain_subject() {
        assert_eq!(plain_subject("leads/1".to_owned()), "leads/1");
        assert_eq!(plain_subject("messages/ёж".to_owned()), "messages/ёж");
        for odd in ["a\u{0}b".to_owned(), "x\n".to_owned(), "y".repeat(100_000)] {
            let subject = plain_subject(format!("messages/{odd}"));
            assert!(subject.starts_with("messages/~"), "{subject}");
            assert_eq!(subject.len(), 42);
            assert_eq!(subject, plain_subject(format!("messages/{odd}")));
        }
        let [one, other] =
            ["z".repeat(200), "z".repeat(201)].map(|id| plain_subject(format!("talks/{id}")));
        assert_ne!(one, other);
    }
}
