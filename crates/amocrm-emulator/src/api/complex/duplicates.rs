//! Duplicate control: the open lead of the same contact, which a new one is folded into.

use serde_json::{Value, json};

use super::{Bundle, Partner};
use crate::{
    api::{
        call::Context,
        records::{Draft, update},
    },
    world::{Account, DuplicateControl, EntityType, FieldValue, Record, is_closing},
};

/// Phones are compared by their last digits, so that `8 900…` is `+7 900…`.
const PHONE_DIGITS: usize = 10;

/// The lead that a new one is folded into, if duplicate control is on: the oldest.
pub(super) fn find(cx: &Context<'_>, draft: &Bundle) -> Option<u64> {
    let account = &*cx.account;
    if account.duplicates == DuplicateControl::Off || draft.incoming.is_some() {
        return None;
    }
    let partner = draft.contact.as_ref()?;
    let pipeline = draft.lead.pipeline_id()?;
    let is_open = |record: &&Record| {
        let lead = record.lead.as_ref();
        lead.is_some_and(|it| it.pipeline_id == pipeline && !is_closing(it.status_id))
    };
    account
        .leads
        .iter()
        .filter(is_open)
        .find(|record| {
            account
                .links
                .main_contact(EntityType::Leads, record.id)
                .is_some_and(|contact| is_same(account, contact, partner))
        })
        .map(|record| record.id)
}

/// Folds a new lead into the one with this id, and answers for it.
pub(super) fn fold(cx: &mut Context<'_>, lead: u64, draft: Bundle) -> Value {
    let account = &*cx.account;
    let overwrites = account.duplicates == DuplicateControl::Overwrite;
    let record = account.leads.get(lead);
    let lacks = |field| record.is_some_and(|record| !record.values.contains_key(&field));
    let values = draft.lead.only_values(|field| overwrites || lacks(field));
    let contact = account.links.main_contact(EntityType::Leads, lead);
    let company = account
        .links
        .linked(EntityType::Leads, lead, EntityType::Companies)
        .next();
    update(cx, EntityType::Leads, lead, values);
    json!({
        "id": lead,
        "contact_id": contact,
        "company_id": company,
        "request_id": [draft.request_id],
        "merged": true,
    })
}

fn is_same(account: &Account, contact: u64, partner: &Partner) -> bool {
    let draft: &Draft = match partner {
        Partner::Known(id) => return *id == contact,
        Partner::New(draft) => draft,
    };
    let Some(record) = account.contacts.live(contact) else {
        return false;
    };
    draft.values().iter().any(|change| {
        let code = account
            .field(EntityType::Contacts, change.field_id)
            .and_then(|field| field.code.as_deref());
        let Some(code @ ("PHONE" | "EMAIL")) = code else {
            return false;
        };
        let known = record.values.get(&change.field_id);
        let known: Vec<_> = known
            .into_iter()
            .flatten()
            .filter_map(|value| mark(value, code))
            .collect();
        let mut new = change.values.iter().filter_map(|value| mark(value, code));
        new.any(|mark| known.contains(&mark))
    })
}

/// What a phone or an e-mail is compared by.
fn mark(value: &FieldValue, code: &str) -> Option<String> {
    let text = value.value.as_str()?;
    if code == "EMAIL" {
        return Some(text.to_lowercase());
    }
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    let skipped = digits.len().saturating_sub(PHONE_DIGITS);
    Some(digits[skipped..].iter().collect())
}
