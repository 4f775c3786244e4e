//! The activity feed: what every write of the account leaves behind in `/api/v4/events`.
//!
//! Whoever changes something says so once, with [`Happening`]; the ids, the moment and the shapes of the values are decided
//! here. The webhooks of the same change are another matter, see [`super::WorldEvent`].

mod changes;
mod fact;

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    changes::{differences, of_change, of_link, of_note},
    fact::Fact,
};
use super::EntityType;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A lead, contact, company or customer.
    Card(EntityType, u64),
    /// A task.
    Task(u64),
    /// An element of a list.
    Element {
        /// The list.
        catalog_id: u64,
        /// The element.
        id: u64,
    },
}

impl Subject {
    /// The id of what it is about.
    pub(crate) fn id(self) -> u64 {
        match self {
            Self::Card(_, id) | Self::Task(id) | Self::Element { id, .. } => id,
        }
    }

    /// The feed's word for its type: singular, and with the number of the list for elements.
    pub(crate) fn kind(self) -> Cow<'static, str> {
        match self {
            Self::Card(entity, _) => entity.singular().into(),
            Self::Task(_) => "task".into(),
            Self::Element { catalog_id, .. } => format!("catalog_{catalog_id}").into(),
        }
    }

    /// Its address below `/api/v4/`.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Card(entity, id) => format!("{}/{id}", entity.as_str()),
            Self::Task(id) => format!("tasks/{id}"),
            Self::Element { catalog_id, id } => format!("catalogs/{catalog_id}/elements/{id}"),
        }
    }
}

/// Something that happened, as whoever did it tells the feed.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    kind: Cow<'static, str>,
    subject: Subject,
    before: Vec<Fact>,
    after: Vec<Fact>,
    created_by: Option<u64>,
    talk_contact_id: Option<u64>,
}

impl Happening {
    /// An event of this type without values.
    pub(crate) fn new(kind: impl Into<Cow<'static, str>>, subject: Subject) -> Self {
        Self {
            kind: kind.into(),
            subject,
            before: Vec::new(),
            after: Vec::new(),
            created_by: None,
            talk_contact_id: None,
        }
    }

    /// `value_before`.
    pub(crate) fn before(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.before = facts.into_iter().collect();
        self
    }

    /// `value_after`.
    pub(crate) fn after(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.after = facts.into_iter().collect();
        self
    }

    /// Who did it, when it was not the user of the request; 0 is a robot or a client.
    pub(crate) fn by(mut self, user_id: u64) -> Self {
        self.created_by = Some(user_id);
        self
    }

    /// The contact of the talk a chat message belongs to: the feed finds the message by it, too.
    pub(crate) fn in_talk_with(mut self, contact_id: u64) -> Self {
        self.talk_contact_id = Some(contact_id);
        self
    }
}

/// An event of the feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FeedEvent {
    /// Like a ULID: 26 characters that grow with time.
    pub(crate) id: String,
    /// Its type, such as `lead_added`.
    pub(crate) kind: Cow<'static, str>,
    /// What it is about.
    pub(crate) subject: Subject,
    /// Who did it; 0 is a robot or a client.
    pub(crate) created_by: u64,
    /// Unix milliseconds.
    pub(crate) at_ms: i64,
    /// What was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) before: Vec<Fact>,
    /// What is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<Fact>,
    /// The contact of the talk, of chat messages only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) talk_contact_id: Option<u64>,
}

impl FeedEvent {
    /// Unix seconds.
    pub(crate) fn created_at(&self) -> i64 {
        self.at_ms.div_euclid(1000)
    }
}

/// How the feed behaves where accounts differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FeedRules {
    /// How long an event is not to be seen yet; webhooks do not wait for it.
    pub(crate) lag_ms: u64,
    /// No `_links.next`, even if there is more: some accounts answer like that.
    pub(crate) omits_next: bool,
}

/// Older events are forgotten, so that an emulator that runs for weeks does not fill the memory.
const CAPACITY: usize = 1_000_000;

/// The events of an account, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Feed {
    events: VecDeque<FeedEvent>,
    taken: u64,
    /// Switched by the control API.
    #[serde(default)]
    pub(crate) rules: FeedRules,
}

impl Feed {
    /// Writes an event down; `user_id` did it unless the event says who.
    pub(crate) fn record(&mut self, at_ms: i64, user_id: u64, happening: Happening) {
        self.taken += 1;
        if self.events.len() >= CAPACITY {
            self.events.pop_front();
        }
        self.events.push_back(FeedEvent {
            id: event_id(at_ms, self.taken),
            kind: happening.kind,
            subject: happening.subject,
            created_by: happening.created_by.unwrap_or(user_id),
            at_ms,
            before: happening.before,
            after: happening.after,
            talk_contact_id: happening.talk_contact_id,
        });
    }

    /// What can be seen by now, newest first.
    pub(crate) fn visible(&self, now_ms: i64) -> impl Iterator<Item = &FeedEvent> {
        let lag_ms = i64::try_from(self.rules.lag_ms).unwrap_or(i64::MAX);
        let until = now_ms.saturating_sub(lag_ms);
        self.events
            .iter()
            .rev()
            .filter(move |event| event.at_ms <= until)
    }
}

/// 10 characters of time and 16 of a number that never repeats, in Crockford's alphabet.
fn event_id(at_ms: i64, number: u64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    const CHARS: u32 = 26;
    let time = u128::try_from(at_ms).unwrap_or_default() & 0xffff_ffff_ffff;
    let bits = time << 80 | u128::from(number);
    (0..CHARS)
        .rev()
        .map(|place| {
            let index = usize::try_from(bits >> (place * 5) & 31).unwrap_or_default();
            char::from(ALPHABET[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_ulids_and_grow() {
        let ids = [
            (1_700_000_000_000, 1),
            (1_700_000_000_000, 2),
            (1_700_000_000_001, 3),
        ]
        .map(|(at, number)| event_id(at, number));
        assert!(
            ids.is_sorted() && ids.iter().all(|id| id.len() == 26),
            "{ids:?}"
        );
        assert!(ids[0].starts_with("01h"), "{ids:?}");
    }

    #[test]
    fn the_feed_lags_behind_and_is_read_from_its_end() {
        let mut feed = Feed::default();
        for (at_ms, kind) in [(1000, "task_added"), (2000, "task_deleted")] {
            let happening = Happening::new(kind, Subject::Task(1)).in_talk_with(2);
            feed.record(at_ms, 7, happening);
        }
        let kinds = |feed: &Feed, now| -> Vec<String> {
            feed.visible(now)
                .map(|event| event.kind.to_string())
                .collect()
        };
        assert_eq!(kinds(&feed, 2000), ["task_deleted", "task_added"]);
        feed.rules.lag_ms = 500;
        assert_eq!(kinds(&feed, 2000), ["task_added"]);
    }
}
