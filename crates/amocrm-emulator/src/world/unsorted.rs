//! Incoming leads that nobody has sorted yet.
//!
//! The lead is an ordinary one that waits in the first, incoming stage of its pipeline; a contact and a company that came with it
//! are hidden until somebody accepts it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Actor, EntityType, LeadState, Note, Record, WorldEvent,
    events::Change,
    feed::{Subject, differences},
};
use crate::answer::random_hex;

/// Bytes of a uid; amoCRM's have 30 to 60 digits.
const UID_BYTES: usize = 30;

/// An incoming lead.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Unsorted {
    /// Hexadecimal digits.
    pub(crate) uid: String,
    /// The request's id on the side of the source; may repeat.
    pub(crate) source_uid: Option<String>,
    /// The source's name; becomes the name of a lead without one.
    pub(crate) source_name: Option<String>,
    /// `forms`, `sip`, `chats` or `mail`.
    pub(crate) category: String,
    /// The pipeline it waits in.
    pub(crate) pipeline_id: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// What the category knows of the request.
    pub(crate) metadata: Value,
    /// The waiting lead.
    pub(crate) lead_id: u64,
    /// Whether the lead has no name of its own.
    pub(crate) is_nameless: bool,
    /// Contacts, hidden or known before.
    pub(crate) contacts: Vec<u64>,
    /// Companies, hidden or known before.
    pub(crate) companies: Vec<u64>,
    /// What became of it.
    pub(crate) outcome: Option<Outcome>,
}

impl fmt::Debug for Unsorted {
    /// Metadata are about people, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsorted")
            .field("category", &self.category)
            .field("lead_id", &self.lead_id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// How the wait of an incoming lead ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Otherwise it was declined.
    pub(crate) is_accepted: bool,
    /// Unix seconds.
    pub(crate) at: i64,
}

/// A chat or a letter that no client of the API can send: it comes from another service.
#[derive(Clone)]
pub(crate) struct IncomingMessage {
    /// `chats` or `mail`.
    pub(crate) category: String,
    pub(crate) source_uid: Option<String>,
    pub(crate) source_name: Option<String>,
    pub(crate) metadata: Value,
    /// The main one unless given.
    pub(crate) pipeline_id: Option<u64>,
    /// A contact that is known already; otherwise one is made of this name and hidden.
    pub(crate) contact: Result<u64, String>,
}

/// A uid nobody has.
pub(crate) fn new_uid() -> String {
    random_hex(UID_BYTES)
}

impl Actor<'_> {
    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// Puts an incoming lead down whose lead and contacts are there already.
    pub(crate) fn keep_unsorted(&mut self, item: Unsorted) {
        self.tell(WorldEvent::unsorted_added(self.account, &item));
        self.account.unsorted.push(item);
    }

    /// Makes lead, contact and incoming lead of a message; none when the pipeline takes no incoming leads.
    pub(crate) fn receive(&mut self, message: IncomingMessage) -> Option<Unsorted> {
        let pipeline = match message.pipeline_id {
            Some(id) => self.account.pipeline(id),
            None => self.account.main_pipeline(),
        }?;
        let pipeline_id = pipeline.id;
        let status_id = pipeline
            .unsorted_stage()
            .filter(|_| pipeline.is_unsorted_on)?;
        let contact = match message.contact {
            Ok(id) => id,
            Err(name) => {
                let id = self.account.counters.record(EntityType::Contacts);
                let mut contact = Record::new(id, self.user_id, self.now());
                contact.name = name;
                contact.is_unsorted = true;
                self.account.contacts.insert(contact);
                id
            }
        };
        let lead_id = self.account.counters.record(EntityType::Leads);
        let mut lead = Record::new(lead_id, self.user_id, self.now());
        lead.name = format!("Сделка #{lead_id}");
        lead.lead = Some(LeadState {
            status_id,
            pipeline_id,
            ..LeadState::default()
        });
        self.account.leads.insert(lead);
        let ends = (
            (EntityType::Leads, lead_id),
            (EntityType::Contacts, contact),
        );
        self.account.links.link(ends.0, ends.1);
        self.emit(EntityType::Leads, lead_id, Change::Added);
        let item = Unsorted {
            uid: new_uid(),
            source_uid: message.source_uid,
            source_name: message.source_name,
            category: message.category,
            pipeline_id,
            created_at: self.now(),
            metadata: message.metadata,
            lead_id,
            is_nameless: true,
            contacts: vec![contact],
            companies: Vec::new(),
            outcome: None,
        };
        self.keep_unsorted(item.clone());
        Some(item)
    }

    /// Accepts: the lead goes to a stage, perhaps to another user, and who came with it is shown.
    pub(crate) fn accept_unsorted(&mut self, uid: &str, status_id: u64, user_id: Option<u64>) {
        let Some(item) = self.finish(uid, true) else {
            return;
        };
        self.reveal(&item);
        let Some(before) = self.account.leads.get(item.lead_id).cloned() else {
            return;
        };
        let mut after = before.clone();
        after.updated_at = self.now().max(before.updated_at);
        after.updated_by = self.user_id;
        if let (true, Some(name)) = (item.is_nameless, &item.source_name) {
            after.name.clone_from(name);
        }
        after.responsible_user_id = user_id.unwrap_or(before.responsible_user_id);
        if let Some(lead) = &mut after.lead {
            lead.status_id = status_id;
        }
        self.account.leads.insert(after.clone());
        let (id, entity) = (item.lead_id, EntityType::Leads);
        self.emit(entity, id, Change::Updated);
        for happening in differences(self.account, entity, &before, &after) {
            self.record(happening);
        }
        if let Some(old) = &before.lead {
            let moved = Change::Moved {
                old_status_id: old.status_id,
                old_pipeline_id: old.pipeline_id,
            };
            self.emit(entity, id, moved);
        }
        if before.responsible_user_id != after.responsible_user_id {
            let old_user_id = before.responsible_user_id;
            self.emit(entity, id, Change::Handed { old_user_id });
        }
        self.tell(WorldEvent::unsorted_deleted(self.account, &item, id));
    }

    /// Declines: the lead goes to the trash, and who came with it is never shown.
    pub(crate) fn decline_unsorted(&mut self, uid: &str) {
        let Some(item) = self.finish(uid, false) else {
            return;
        };
        self.set_deleted(EntityType::Leads, item.lead_id, true);
        self.forget_hidden(&item);
        self.tell(WorldEvent::unsorted_deleted(
            self.account,
            &item,
            item.lead_id,
        ));
    }

    /// Gives what came to a lead or customer that is there already. Who came with it is linked to that one, unless the chat
    /// goes to a contact it has.
    pub(crate) fn link_unsorted(
        &mut self,
        uid: &str,
        (entity, id): (EntityType, u64),
        contact: Option<u64>,
    ) {
        let Some(item) = self.finish(uid, true) else {
            return;
        };
        if contact.is_some() {
            self.forget_hidden(&item);
        } else {
            self.reveal(&item);
            for contact in &item.contacts {
                let (one, other) = ((entity, id), (EntityType::Contacts, *contact));
                self.account.links.link(one, other);
                let subjects = (Subject::Card(one.0, one.1), Subject::Card(other.0, other.1));
                self.emit_link(subjects.0, subjects.1, true);
            }
        }
        if entity == EntityType::Leads {
            let account_id = self.account.id;
            let chats = &mut self.account.services.chats;
            chats.follow(account_id, item.lead_id, id, contact);
        }
        self.set_deleted(EntityType::Leads, item.lead_id, true);
        self.tell(WorldEvent::unsorted_deleted(self.account, &item, id));
    }

    /// The lead of an incoming lead was edited; moved by hand, it counts as accepted.
    pub(crate) fn unsorted_lead_changed(&mut self, lead_id: u64, is_moved: bool) {
        let waiting = self
            .account
            .unsorted
            .iter()
            .find(|item| item.lead_id == lead_id && item.outcome.is_none())
            .cloned();
        let Some(item) = waiting else {
            return;
        };
        if !is_moved {
            self.tell(WorldEvent::unsorted_updated(
                self.account,
                &item,
                self.user_id,
            ));
        } else if let Some(item) = self.finish(&item.uid, true) {
            self.reveal(&item);
            self.tell(WorldEvent::unsorted_deleted(self.account, &item, lead_id));
        }
    }

    /// Puts a card into the trash or takes it out; whether that changed anything. Notes go and come with it, its tasks are gone
    /// for good.
    pub(crate) fn set_deleted(&mut self, entity: EntityType, id: u64, is_deleted: bool) -> bool {
        let records = self.account.records(entity);
        if records
            .get(id)
            .is_none_or(|record| record.is_deleted == is_deleted)
        {
            return false;
        }
        let (now, user) = (self.now(), self.user_id);
        self.account.records_mut(entity).update(id, |record| {
            record.is_deleted = is_deleted;
            record.updated_at = now.max(record.updated_at);
            record.updated_by = user;
        });
        let change = if is_deleted {
            Change::Deleted
        } else {
            Change::Restored
        };
        self.emit(entity, id, change);
        if is_deleted {
            let tasks = self.account.tasks.iter();
            let of_card = tasks.filter(|task| task.card == Some((entity, id)));
            for task in of_card.map(|task| task.id).collect::<Vec<_>>() {
                self.delete_task(task);
            }
        }
        true
    }

    fn finish(&mut self, uid: &str, is_accepted: bool) -> Option<Unsorted> {
        let at = self.now();
        let mut items = self.account.unsorted.iter_mut();
        let item = items.find(|item| item.uid == uid && item.outcome.is_none())?;
        item.outcome = Some(Outcome { is_accepted, at });
        Some(item.clone())
    }

    fn reveal(&mut self, item: &Unsorted) {
        for (entity, id) in item.partners() {
            let records = self.account.records_mut(entity);
            if records.get(id).is_some_and(|record| record.is_unsorted) {
                records.update(id, |record| record.is_unsorted = false);
                self.emit(entity, id, Change::Added);
            }
        }
    }

    fn forget_hidden(&mut self, item: &Unsorted) {
        for (entity, id) in item.partners() {
            let records = self.account.records_mut(entity);
            if records.get(id).is_some_and(|record| record.is_unsorted) {
                records.update(id, |record| record.is_deleted = true);
            }
        }
    }
}

impl Unsorted {
    /// Contacts and companies.
    pub(crate) fn partners(&self) -> impl Iterator<Item = (EntityType, u64)> {
        let contacts = self.contacts.iter().map(|id| (EntityType::Contacts, *id));
        contacts.chain(self.companies.iter().map(|id| (EntityType::Companies, *id)))
    }

    /// The note of the call a `sip` one came with.
    pub(crate) fn call_note(&self, user_id: u64, now: i64) -> Note {
        let from = &self.metadata;
        let phone = match from.get("phone") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let params = serde_json::json!({
            "uniq": from.get("uniq"),
            "duration": from.get("duration"),
            "source": from.get("service_code"),
            "link": from.get("link"),
            "phone": phone,
            "call_responsible": from.get("call_responsible"),
        });
        Note::new(self.lead_id, "call_in", params, user_id, now)
    }
}
