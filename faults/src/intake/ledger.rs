//! Three ledgers compared: what was posted, what the store has, what amoCRM holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use store::{DeliveryState, LeadFilter, LeadOrder, LeadRow, Store};

use super::people::Person;
use super::visitor::Receipt;
use crate::emulator::Emulator;
use crate::findings::{Figures, Findings};

const PAGE: u32 = 500;
/// The store and amoCRM at the end of a run.
pub(super) struct Books {
    rows: Vec<LeadRow>,
    deals: Vec<Value>,
    contacts: Vec<Value>,
    /// Texts of the notes by deal.
    notes: BTreeMap<i64, Vec<String>>,
    /// Names of the stages of all pipelines.
    stages: BTreeMap<i64, String>,
}

impl Books {
    pub(super) async fn read(emulator: &Emulator, store: &Store) -> anyhow::Result<Self> {
        let mut rows: Vec<LeadRow> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.id);
            let filter = LeadFilter::new().order(LeadOrder::Oldest).limit(PAGE);
            let page = store.leads().list(filter.after(after)).await?;
            let is_last = page.len() < PAGE as usize;
            rows.extend(page);
            if is_last {
                break;
            }
        }
        let mut notes: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for note in emulator.all("/api/v4/leads/notes", "notes").await? {
            let deal = note["entity_id"].as_i64().unwrap_or_default();
            let text = note["params"]["text"].as_str().unwrap_or_default();
            notes.entry(deal).or_default().push(text.to_owned());
        }
        let pipelines = emulator.all("/api/v4/leads/pipelines", "pipelines").await?;
        Ok(Self {
            rows,
            deals: emulator.all("/api/v4/leads?with=contacts", "leads").await?,
            contacts: emulator.all("/api/v4/contacts", "contacts").await?,
            notes,
            stages: stages(&pipelines),
        })
    }
}

/// The stages of all pipelines, by id.
pub(super) fn stages(pipelines: &[Value]) -> BTreeMap<i64, String> {
    let of_one = |pipeline: &Value| pipeline["_embedded"]["statuses"].as_array().cloned();
    pipelines
        .iter()
        .filter_map(of_one)
        .flatten()
        .filter_map(|stage| Some((stage["id"].as_i64()?, stage["name"].as_str()?.to_owned())))
        .collect()
}

/// All of it together.
pub(super) struct Ledger<'a> {
    pub(super) persons: &'a [Person],
    pub(super) receipts: &'a [Receipt],
    pub(super) books: &'a Books,
    /// Leads whose deals a manager moved, and the status that means.
    pub(super) moved: &'a BTreeMap<i64, &'static str>,
}

impl Ledger<'_> {
    /// Says everything that does not agree.
    pub(super) fn check(&self, findings: &mut Findings) {
        let rows = group(&self.books.rows, |row| {
            row.utm.content.clone().unwrap_or_default()
        });
        let deals = group(&self.books.deals, |deal| field(deal, "UTM_CONTENT"));
        let mut contact_of: BTreeMap<usize, BTreeSet<i64>> = BTreeMap::new();
        for receipt in self.receipts {
            let mark = receipt.post.mark();
            let rows = rows.get(&mark).map_or(&[][..], Vec::as_slice);
            let deals = deals.get(&mark).map_or(&[][..], Vec::as_slice);
            findings.expect(rows.len() == 1, || {
                format!("{mark} is in the store {} times", rows.len())
            });
            findings.expect(deals.len() == 1, || {
                format!("{mark} is in amoCRM {} times", deals.len())
            });
            if let ([row], [deal]) = (rows, deals) {
                self.check_one(receipt, row, deal, findings);
                let contacts = contact_of.entry(receipt.post.person).or_default();
                contacts.extend(contacts_of(deal));
            }
        }
        let posted: BTreeSet<String> = self.receipts.iter().map(|it| it.post.mark()).collect();
        for mark in deals.keys().chain(rows.keys()) {
            findings.expect(posted.contains(mark), || format!("nobody posted «{mark}»"));
        }
        self.check_persons(&contact_of, findings);
    }

    fn check_one(&self, receipt: &Receipt, row: &LeadRow, deal: &Value, findings: &mut Findings) {
        let mark = receipt.post.mark();
        let mut expect = |holds: bool, what: &str| {
            findings.expect(holds, || format!("{mark} (lead {}): {what}", row.id));
        };
        let deal_id = deal["id"].as_i64().unwrap_or_default();
        expect(row.id == receipt.id, "another lead than the answer said");
        expect(row.delivery == DeliveryState::Delivered, "not delivered");
        expect(
            row.amo_lead_id == Some(deal_id),
            "the store names another deal",
        );
        expect(
            field(deal, "INTAKE_ID") == row.intake_id.to_string(),
            "the deal carries another intake id",
        );
        for name in ["utm_source", "utm_medium", "utm_campaign", "utm_term"] {
            let wanted = receipt.post.body[name].as_str().unwrap_or_default();
            expect(field(deal, &name.to_uppercase()) == wanted, name);
        }
        let contacts = contacts_of(deal);
        expect(
            contacts.len() == 1 && row.amo_contact_id == contacts.first().copied(),
            "the deal and the store do not name the same one contact",
        );
        let none = Vec::new();
        let notes = self.books.notes.get(&deal_id).unwrap_or(&none);
        let own = |note: &&String| {
            let comment = receipt.post.comment.as_deref();
            comment.is_some_and(|comment| note.contains(comment))
        };
        let wanted = usize::from(receipt.post.comment.is_some());
        expect(
            notes.iter().filter(own).count() == wanted,
            "the comment is not there once",
        );
        expect(notes.len() == wanted, "there are other notes");
        let stage = deal["status_id"].as_i64().unwrap_or_default();
        let stage = self.books.stages.get(&stage).map_or("", String::as_str);
        let status = self
            .moved
            .get(&row.id)
            .copied()
            .or(receipt.post.status)
            .unwrap_or("new");
        expect(
            row.local_status == status,
            "another status than was set last",
        );
        expect(
            stage == stage_of(status),
            "the deal's stage is not that of the status",
        );
    }

    /// One contact for each person, with everything that the person gave.
    fn check_persons(&self, contact_of: &BTreeMap<usize, BTreeSet<i64>>, findings: &mut Findings) {
        let contacts: BTreeMap<i64, &Value> = self
            .books
            .contacts
            .iter()
            .filter_map(|contact| Some((contact["id"].as_i64()?, contact)))
            .collect();
        findings.expect(contacts.len() == self.persons.len(), || {
            format!(
                "{} persons became {} contacts",
                self.persons.len(),
                contacts.len()
            )
        });
        for (&index, ids) in contact_of {
            let person = &self.persons[index];
            findings.expect(ids.len() == 1, || {
                format!("person {index} has contacts {ids:?}")
            });
            let Some(contact) = ids.first().and_then(|id| contacts.get(id)) else {
                continue;
            };
            let phones = sorted(person.phone.iter());
            let emails = sorted(person.email.iter().chain(&person.more_emails));
            for (code, wanted) in [("PHONE", phones), ("EMAIL", emails)] {
                let held = values(contact, code);
                findings.expect(held == wanted, || {
                    format!(
                        "the contact of person {index} has {} values of {code} and should have {}",
                        held.len(),
                        wanted.len()
                    )
                });
            }
        }
    }

    /// The figures that have fixed names.
    pub(super) fn count(&self, figures: &mut Figures) {
        let posted: BTreeSet<String> = self.receipts.iter().map(|it| it.post.mark()).collect();
        let mut seen = BTreeSet::new();
        let mut doubled = 0;
        for deal in &self.books.deals {
            doubled += usize::from(!seen.insert(field(deal, "UTM_CONTENT")));
        }
        let mut rows = BTreeSet::new();
        for row in &self.books.rows {
            doubled += usize::from(!rows.insert(row.utm.content.clone()));
        }
        figures.count("posted", self.receipts.len());
        figures.count("deals", self.books.deals.len());
        figures.count("duplicates", doubled);
        figures.count("lost", posted.difference(&seen).count());
        figures.count("contacts", self.books.contacts.len());
        figures.count("persons", self.persons.len());
    }
}

fn stage_of(status: &str) -> &str {
    match status {
        "contacted" => "Первичный контакт",
        "presentation" => "Презентация",
        _ => "Новый лид",
    }
}

fn group<T>(items: &[T], name: impl Fn(&T) -> String) -> BTreeMap<String, Vec<&T>> {
    let mut groups: BTreeMap<String, Vec<&T>> = BTreeMap::new();
    for item in items {
        groups.entry(name(item)).or_default().push(item);
    }
    groups
}

fn contacts_of(deal: &Value) -> Vec<i64> {
    let contacts = deal["_embedded"]["contacts"].as_array();
    let contacts = contacts.map_or(&[][..], Vec::as_slice);
    contacts.iter().filter_map(|it| it["id"].as_i64()).collect()
}

/// The first value of a custom field of this code.
fn field(entity: &Value, code: &str) -> String {
    values(entity, code).into_iter().next().unwrap_or_default()
}

/// All values of a custom field, in order.
fn values(entity: &Value, code: &str) -> Vec<String> {
    let fields = entity["custom_fields_values"].as_array();
    let fields = fields.map_or(&[][..], Vec::as_slice);
    let found = fields.iter().find(|field| field["field_code"] == code);
    let values = found.and_then(|field| field["values"].as_array());
    let mut values: Vec<String> = values
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter_map(|value| value["value"].as_str().map(str::to_owned))
        .collect();
    values.sort_unstable();
    values
}

fn sorted<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut values: Vec<String> = values.cloned().collect();
    values.sort_unstable();
    values
}
