//! `POST /api/v4/leads/complex`: a lead with its contact and company in one request.
//!
//! The answer is a bare list, not HAL, and `request_id` in it is a list too. Duplicate control is a setting of a pipeline in
//! the interface of amoCRM, and of the whole account here.

mod duplicates;

use serde_json::{Value, json};

use super::{
    call::Context,
    reader::Reader,
    records::{Draft, create, read_new_unlinked},
    unsorted,
};
use crate::{
    hal::{Answer, Reply},
    problem::{BatchErrors, Violations},
    world::{EntityType, Unsorted, feed::Subject, new_uid},
};

const MAX_LEADS: usize = 50;
const MAX_FIELDS: usize = 40;

/// A contact or company that comes with the lead.
enum Partner {
    Known(u64),
    New(Box<Draft>),
}

struct Bundle {
    request_id: String,
    lead: Draft,
    contact: Option<Partner>,
    company: Option<Partner>,
    /// Category and metadata of an incoming lead.
    incoming: Option<(String, Value)>,
}

/// Creates all of the leads with what belongs to them, or none.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items_up_to(MAX_LEADS)?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut out = Violations::default();
        let draft = read(cx, index, &Reader::new(item), &mut out);
        if let Some(message) = draft.lead.broken_rule() {
            errors.business(draft.request_id.clone(), message);
        }
        errors.item(&draft.request_id, out);
        drafts.push(draft);
    }
    errors.check()?;
    // Looked for among what was there before: items of one request are not compared.
    let drafts: Vec<_> = drafts
        .into_iter()
        .map(|draft| (duplicates::find(cx, &draft), draft))
        .collect();
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(duplicate, draft)| match duplicate {
            Some(lead) => duplicates::fold(cx, lead, draft),
            None => apply(cx, draft),
        })
        .collect();
    Ok(Reply::ok(made.into()))
}

fn read(cx: &Context<'_>, index: usize, item: &Reader<'_>, out: &mut Violations) -> Bundle {
    let mut draft = Bundle {
        request_id: item.request_id(index),
        lead: read_new_unlinked(cx, EntityType::Leads, item, out),
        contact: None,
        company: None,
        incoming: None,
    };
    check_field_count(&draft.lead, item, out);
    if let Some(embedded) = item.child("_embedded", out) {
        draft.contact = read_partner(cx, EntityType::Contacts, &embedded, out);
        draft.company = read_partner(cx, EntityType::Companies, &embedded, out);
        // Metadata of a form or a call makes it an incoming lead.
        if let Some(metadata) = embedded.child("metadata", out) {
            let category = metadata.choice("category", &["forms", "sip", "chats", "mail"], out);
            draft.lead.place_unsorted(cx);
            let mut kept = metadata.whole();
            if let Some(map) = kept.as_object_mut() {
                map.remove("category");
            }
            draft.incoming = category.map(|category| (category.to_owned(), kept));
        }
    }
    draft
}

fn read_partner(
    cx: &Context<'_>,
    entity: EntityType,
    embedded: &Reader<'_>,
    out: &mut Violations,
) -> Option<Partner> {
    let items = embedded.children(entity.as_str(), out)?;
    if items.len() > 1 {
        out.too_many(embedded.path(entity.as_str()), 1);
    }
    let item = items.first()?;
    if item.value("id").is_some() {
        let id = item.id("id", out)?;
        if cx.account.records(entity).live(id).is_none() {
            out.choice(item.path("id"));
        }
        return Some(Partner::Known(id));
    }
    let draft = read_new_unlinked(cx, entity, item, out);
    check_field_count(&draft, item, out);
    Some(Partner::New(Box::new(draft)))
}

fn check_field_count(draft: &Draft, item: &Reader<'_>, out: &mut Violations) {
    if draft.field_count() > MAX_FIELDS {
        out.too_many(item.path("custom_fields_values"), MAX_FIELDS);
    }
}

fn apply(cx: &mut Context<'_>, draft: Bundle) -> Value {
    let contact = draft
        .contact
        .map(|contact| settle(cx, EntityType::Contacts, contact));
    let company = draft
        .company
        .map(|company| settle(cx, EntityType::Companies, company));
    if let (Some((contact, is_new)), Some((company, _))) = (contact, company)
        && is_new
    {
        cx.account.links.link(
            (EntityType::Contacts, contact),
            (EntityType::Companies, company),
        );
        cx.emit_link(
            Subject::Card(EntityType::Contacts, contact),
            Subject::Card(EntityType::Companies, company),
            true,
        );
    }
    let (contact, company) = (contact.map(|(id, _)| id), company.map(|(id, _)| id));
    let lead = create(
        cx,
        EntityType::Leads,
        draft.lead.linked_to(contact, company),
    );
    if let Some((category, metadata)) = draft.incoming {
        let incoming = Unsorted {
            uid: new_uid(),
            source_uid: None,
            source_name: None,
            category,
            pipeline_id: 0,
            created_at: cx.now(),
            metadata,
            lead_id: lead,
            is_nameless: false,
            contacts: contact.into_iter().collect(),
            companies: company.into_iter().collect(),
            outcome: None,
        };
        unsorted::keep(cx, incoming);
    }
    json!({
        "id": lead,
        "contact_id": contact,
        "company_id": company,
        "request_id": [draft.request_id],
        "merged": false,
    })
}

/// The id of a partner, and whether it was created now.
fn settle(cx: &mut Context<'_>, entity: EntityType, partner: Partner) -> (u64, bool) {
    match partner {
        Partner::Known(id) => (id, false),
        Partner::New(draft) => (create(cx, entity, *draft), true),
    }
}
