//! What a write request asks for, checked against the account but not yet applied.

use super::customer::{self, CustomerDraft};
use super::stage::{Placing, read_placing};
use super::tagging::{Tagging, read_tagging};
use crate::{
    api::{
        call::Context,
        reader::Reader,
        values::{ValueChange, read_changes},
    },
    problem::Violations,
    world::{EntityType, Pipeline, Record},
};

/// A checked write to one record. What is `None` stays as it is.
#[derive(Default)]
pub(crate) struct Draft {
    pub(super) name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) responsible_user_id: Option<u64>,
    pub(super) created_by: Option<u64>,
    pub(super) updated_by: Option<u64>,
    pub(super) created_at: Option<i64>,
    pub(super) updated_at: Option<i64>,
    pub(super) price: Option<i64>,
    pub(super) placing: Option<Placing>,
    pub(super) customer: Option<CustomerDraft>,
    pub(super) values: Vec<ValueChange>,
    pub(super) tagging: Tagging,
    /// Contacts to link, and which of them is the main one.
    pub(super) contacts: Vec<(u64, bool)>,
    pub(super) companies: Vec<u64>,
    /// Comes with an incoming lead, so it is not to be shown yet.
    pub(super) is_hidden: bool,
}

impl Draft {
    /// The business rule this write would break; these are reported apart from validation.
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        let placing = self.placing.as_ref()?;
        placing
            .is_reason_misplaced
            .then_some("Loss reason can be specified only for lost lead")
    }

    /// How many custom fields it writes.
    pub(crate) fn field_count(&self) -> usize {
        self.values.len()
    }

    /// The custom fields it writes.
    pub(crate) fn values(&self) -> &[ValueChange] {
        &self.values
    }

    /// The pipeline of a lead.
    pub(crate) fn pipeline_id(&self) -> Option<u64> {
        self.placing.as_ref().map(|placing| placing.pipeline_id)
    }

    /// Only those custom fields of it that `takes` wants.
    pub(crate) fn only_values(self, takes: impl Fn(u64) -> bool) -> Self {
        let mut values = self.values;
        values.retain(|change| takes(change.field_id));
        Self {
            values,
            ..Self::default()
        }
    }

    /// Links a new lead to its contact, which becomes the main one, and its company.
    pub(crate) fn linked_to(mut self, contact: Option<u64>, company: Option<u64>) -> Self {
        self.contacts = contact.into_iter().map(|id| (id, true)).collect();
        self.companies = company.into_iter().collect();
        self
    }

    /// Whether it has a name of its own.
    pub(crate) fn is_named(&self) -> bool {
        self.name.as_ref().is_some_and(|name| !name.is_empty())
    }

    /// Hides a new contact or company until its incoming lead is accepted.
    pub(crate) fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// [`Draft::place_unsorted`] in another pipeline, if one is named; false when that takes no incoming leads.
    pub(crate) fn place_incoming(&mut self, cx: &Context<'_>, pipeline_id: Option<u64>) -> bool {
        let Some(placing) = &mut self.placing else {
            return true;
        };
        placing.pipeline_id = pipeline_id.unwrap_or(placing.pipeline_id);
        let pipeline = cx.account.pipeline(placing.pipeline_id);
        let takes = pipeline.is_some_and(|pipeline| pipeline.is_unsorted_on);
        self.place_unsorted(cx);
        takes
    }

    /// Puts a new lead into the unsorted stage of its pipeline, whatever stage was asked for.
    pub(crate) fn place_unsorted(&mut self, cx: &Context<'_>) {
        if let Some(placing) = &mut self.placing
            && let Some(stage) = cx
                .account
                .pipeline(placing.pipeline_id)
                .and_then(Pipeline::unsorted_stage)
        {
            placing.status_id = stage;
        }
    }
}

/// Reads a record to create. Contacts and companies of a lead must exist already.
pub(crate) fn read_new(
    cx: &Context<'_>,
    entity: EntityType,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Draft {
    let mut draft = read_new_unlinked(cx, entity, item, out);
    if entity == EntityType::Leads
        && let Some(embedded) = item.child("_embedded", out)
    {
        draft.contacts = read_links(cx, &embedded, EntityType::Contacts, out);
        draft.companies = read_links(cx, &embedded, EntityType::Companies, out)
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        if draft.companies.len() > 1 {
            out.too_many(embedded.path("companies"), 1);
        }
    }
    draft
}

/// Reads a record to create, leaving its links to the caller, as `/leads/complex` needs it.
pub(crate) fn read_new_unlinked(
    cx: &Context<'_>,
    entity: EntityType,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Draft {
    let mut draft = read_common(cx, entity, item, out);
    match entity {
        EntityType::Leads => draft.placing = read_placing(cx, None, item, out),
        EntityType::Customers => draft.customer = Some(customer::read(cx, true, item, out)),
        EntityType::Contacts | EntityType::Companies => {}
    }
    draft
}

/// Reads a change to a record.
pub(crate) fn read_update(
    cx: &Context<'_>,
    entity: EntityType,
    record: &Record,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Draft {
    let mut draft = read_common(cx, entity, item, out);
    if let Some(lead) = &record.lead {
        draft.placing = read_placing(cx, Some(lead), item, out);
    }
    if record.customer.is_some() {
        draft.customer = Some(customer::read(cx, false, item, out));
    }
    draft
}

fn read_common(
    cx: &Context<'_>,
    entity: EntityType,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Draft {
    let mut draft = Draft {
        name: item.string("name", out).map(str::to_owned),
        responsible_user_id: read_user(cx, item, "responsible_user_id", false, out),
        created_by: read_user(cx, item, "created_by", true, out),
        updated_by: read_user(cx, item, "updated_by", true, out),
        created_at: item.int("created_at", out),
        updated_at: item.int("updated_at", out),
        values: read_changes(cx.account, entity, item, out),
        tagging: read_tagging(cx.account, entity, item, out),
        ..Draft::default()
    };
    match entity {
        EntityType::Leads => draft.price = price(item, out),
        EntityType::Contacts => {
            draft.first_name = item.string("first_name", out).map(str::to_owned);
            draft.last_name = item.string("last_name", out).map(str::to_owned);
        }
        EntityType::Companies | EntityType::Customers => {}
    }
    draft
}

/// A user of the account; 0 is the robot, where a robot may be.
pub(crate) fn read_user(
    cx: &Context<'_>,
    item: &Reader<'_>,
    key: &str,
    allows_robot: bool,
    out: &mut Violations,
) -> Option<u64> {
    let id = item.id(key, out)?;
    if cx.account.user(id).is_none() && !(allows_robot && id == 0) {
        out.choice(item.path(key));
    }
    Some(id)
}

/// The budget. Fractions are taken, because accounts with minor units have them, and cut off, because `price` has none.
fn price(item: &Reader<'_>, out: &mut Violations) -> Option<i64> {
    let value = item.value("price")?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is cut off on purpose; `as` saturates"
    )]
    let read = value
        .as_i64()
        .or_else(|| value.as_f64().map(|price| price as i64));
    if read.is_none() {
        out.kind(item.path("price"), "int");
    }
    read
}

fn read_links(
    cx: &Context<'_>,
    embedded: &Reader<'_>,
    other: EntityType,
    out: &mut Violations,
) -> Vec<(u64, bool)> {
    let items = embedded.children(other.as_str(), out).unwrap_or_default();
    let mut links = Vec::with_capacity(items.len());
    for item in items {
        let is_main = item.bool("is_main", out).unwrap_or(false);
        let Some(id) = item.required_id("id", out) else {
            continue;
        };
        if cx.account.records(other).live(id).is_none() {
            out.choice(item.path("id"));
        }
        links.push((id, is_main));
    }
    links
}
