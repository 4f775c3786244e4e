//! Whose lead it is: finding the person among the account's contacts.

use amocrm_sdk::contacts::Contact;
use amocrm_sdk::fields::kind::Multitext;
use amocrm_sdk::fields::{ContactValue, EMAIL, Field, PHONE};
use amocrm_sdk::{Client, ContactId, UserId};
use phonenumber::country::Id as Region;

use super::CrmError;
use crate::lead::{LeadForm, phone};

/// amoCRM finds a phone by its last ten digits; the prefix may be written as 8 or +7 (`02-crm-entities.md` §3.5).
const SEARCHED_DIGITS: usize = 10;
/// A search matches parts of any field, so hits are checked; more than this many are not looked at.
const MAX_HITS: usize = 50;

/// A contact that is the person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: ContactId,
    /// It has the phone and the e-mail of the form.
    pub(crate) is_complete: bool,
    /// Who is responsible for it.
    pub(crate) responsible: Option<UserId>,
}

/// The person's contact: the one we know, else one whose e-mail, else whose phone is the same.
pub(crate) async fn find_contact(
    client: &Client,
    form: &LeadForm,
    known: Option<ContactId>,
    region: Region,
) -> Result<Option<Found>, CrmError> {
    let found = |contact: &Contact| Found {
        id: contact.id,
        is_complete: lacks(contact, form, region) == (None, None),
        responsible: contact.responsible_user_id,
    };
    if let Some(id) = known
        && let Some(contact) = client.contacts().get(id).await?
        && !contact.is_deleted
    {
        return Ok(Some(found(&contact)));
    }
    if let Some(email) = &form.email {
        let hit = search(client, email, |contact| has_email(contact, email)).await?;
        if let Some(contact) = hit {
            return Ok(Some(found(&contact)));
        }
    }
    if let Some(phone) = &form.phone {
        let hit = search(client, &last_digits(phone), |contact| {
            has_phone(contact, phone, region)
        })
        .await?;
        if let Some(contact) = hit {
            return Ok(Some(found(&contact)));
        }
    }
    Ok(None)
}

/// Adds the phone and the e-mail to a contact that lacks them. Repeating it changes nothing.
pub(crate) async fn complete_contact(
    client: &Client,
    id: ContactId,
    form: &LeadForm,
    region: Region,
) -> Result<(), CrmError> {
    let Some(contact) = client.contacts().get(id).await? else {
        return Ok(());
    };
    let (missing_phone, missing_email) = lacks(&contact, form, region);
    if missing_phone.is_none() && missing_email.is_none() {
        return Ok(());
    }
    // A field that is written loses the values that are not: read, append, write.
    let mut update = client.contacts().update(id);
    if let Some(phone) = missing_phone {
        update = update.field(&PHONE, appended(&contact, &PHONE, phone));
    }
    if let Some(email) = missing_email {
        update = update.field(&EMAIL, appended(&contact, &EMAIL, email));
    }
    update.await?;
    Ok(())
}

/// The phone and the e-mail that the contact does not have.
fn lacks<'a>(
    contact: &Contact,
    form: &'a LeadForm,
    region: Region,
) -> (Option<&'a str>, Option<&'a str>) {
    let phone = form.phone.as_deref();
    let email = form.email.as_deref();
    (
        phone.filter(|phone| !has_phone(contact, phone, region)),
        email.filter(|email| !has_email(contact, email)),
    )
}

fn appended(contact: &Contact, field: &Field<Multitext>, value: &str) -> Vec<ContactValue> {
    let mut values = values(contact, field);
    values.push(ContactValue::new(value));
    values
}

/// The oldest contact among the hits that really has the value.
async fn search(
    client: &Client,
    text: &str,
    is_theirs: impl Fn(&Contact) -> bool,
) -> Result<Option<Contact>, CrmError> {
    let mut hits = client
        .contacts()
        .list()
        .search(text)
        .limit(MAX_HITS)
        .stream();
    let mut oldest: Option<Contact> = None;
    let mut looked_at = 0;
    while let Some(contact) = hits.try_next().await? {
        looked_at += 1;
        let is_older = oldest.as_ref().is_none_or(|known| contact.id < known.id);
        if is_older && is_theirs(&contact) && !contact.is_deleted {
            oldest = Some(contact);
        }
        if looked_at >= MAX_HITS {
            break;
        }
    }
    Ok(oldest)
}

fn values(contact: &Contact, field: &Field<Multitext>) -> Vec<ContactValue> {
    contact
        .custom_fields_values
        .get(field)
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn has_email(contact: &Contact, email: &str) -> bool {
    values(contact, &EMAIL)
        .iter()
        .any(|value| value.value.trim().to_lowercase() == email)
}

/// Whether one of the contact's numbers is this one. What cannot be read as a number is compared by its last digits.
fn has_phone(contact: &Contact, phone: &str, region: Region) -> bool {
    values(contact, &PHONE)
        .iter()
        .any(|value| match phone::normalise(&value.value, region) {
            Some(stored) => stored == phone,
            None => last_digits(&value.value) == last_digits(phone),
        })
}

/// The digits that are the same in every spelling of a number.
fn last_digits(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().saturating_sub(SEARCHED_DIGITS);
    digits[from..].iter().collect()
}
