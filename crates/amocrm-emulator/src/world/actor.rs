//! Somebody who changes an account: a request of the API, a person through the control API, another service.

use super::{
    Account, Counters, EntityType, Note, WorldEvent,
    events::{Change, TaskChange},
    feed::{self, Happening, Subject},
};

/// A user at work in an account at one moment. What is done through it is told to the webhook subscribers and to the feed.
pub(crate) struct Actor<'a> {
    pub(crate) account: &'a mut Account,
    events: &'a mut Vec<WorldEvent>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// Who it is; 0 is a robot.
    pub(crate) user_id: u64,
}

impl<'a> Actor<'a> {
    /// `events` is where the webhook sender finds what happened.
    pub(crate) fn new(
        account: &'a mut Account,
        events: &'a mut Vec<WorldEvent>,
        now_ms: i64,
        user_id: u64,
    ) -> Self {
        Self {
            account,
            events,
            now_ms,
            user_id,
        }
    }

    /// Tells the webhook subscribers, and nobody else.
    pub(crate) fn tell(&mut self, event: WorldEvent) {
        self.events.push(event);
    }

    /// Writes into the activity feed.
    pub(crate) fn record(&mut self, happening: Happening) {
        self.account
            .feed
            .record(self.now_ms, self.user_id, happening);
    }

    /// Tells of a change to a lead, contact or company.
    pub(crate) fn emit(&mut self, entity: EntityType, id: u64, change: Change) {
        let Some(record) = self.account.records(entity).get(id) else {
            return;
        };
        let event = WorldEvent::record(self.account, entity, record, change);
        let mut next_note = self.account.counters.note;
        let happening = feed::of_change(entity, record, change, || Counters::take(&mut next_note));
        self.account.counters.note = next_note;
        self.tell(event);
        if let Some(happening) = happening {
            self.record(happening);
        }
    }

    /// Tells the webhook subscribers of a change to an element of a list.
    pub(crate) fn emit_element(&mut self, catalog_id: u64, id: u64, change: Change) {
        let elements = self.account.catalogs.elements(catalog_id);
        let Some(record) = elements.and_then(|elements| elements.get(id)) else {
            return;
        };
        let event = WorldEvent::element(self.account, catalog_id, record, change);
        self.tell(event);
    }

    /// Tells the feed of a link that was made or taken away.
    pub(crate) fn emit_link(&mut self, one: Subject, other: Subject, is_linked: bool) {
        for happening in feed::of_link(one, other, is_linked) {
            self.record(happening);
        }
    }

    /// Puts a note on a card and gives it its id.
    pub(crate) fn add_note(&mut self, entity: EntityType, mut note: Note) -> u64 {
        let id = Counters::take(&mut self.account.counters.note);
        note.id = id;
        let event = WorldEvent::note(self.account, entity, &note);
        let happening = feed::of_note(entity, &note);
        let notes = self.account.notes.entry(entity).or_default();
        notes.insert(id, note);
        self.tell(event);
        if let Some(happening) = happening {
            self.record(happening);
        }
        id
    }

    /// Deletes a task, as people do in the interface and amoCRM with the tasks of a deleted card. Tells whether there was one.
    pub(crate) fn delete_task(&mut self, id: u64) -> bool {
        let Some(task) = self.account.remove_task(id) else {
            return false;
        };
        self.tell(WorldEvent::task(self.account, &task, &TaskChange::Deleted));
        self.record(Happening::new("task_deleted", Subject::Task(id)));
        true
    }
}
