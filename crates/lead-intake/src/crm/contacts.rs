//! Whose lead it is: finding the person among the account's contacts.

use amocrm_sdk::contacts::Contact;
use amocrm_sdk::fields::kind::Multitext;
use amocrm_sdk::fields::{ContactValue, EMAIL, Field, PHONE};
use amocrm_sdk::{Client, ContactId, UserId};
use phonenumber::country::Id as Region;

use super::CrmError;
use crate::lead::{LeadForm, phone};

/// A search matches parts of any field, so hits are checked; more than this many are not looked at: a page, one request.
const MAX_HITS: usize = 250;
/// Fewer digits in common are no sign of one number.
const MIN_DIGITS: usize = 7;

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
///
/// The known one counts only while it has the e-mail or the phone: a manager may have given the number to somebody else.
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
        && is_theirs(&contact, form, region)
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
        let hit = search(client, &searched_digits(phone), |contact| {
            has_phone(contact, phone, region)
        })
        .await?;
        if let Some(contact) = hit {
            return Ok(Some(found(&contact)));
        }
    }
    Ok(None)
}

/// Whether the contact has what the form's person is reached by.
fn is_theirs(contact: &Contact, form: &LeadForm, region: Region) -> bool {
    let (missing_phone, missing_email) = lacks(contact, form, region);
    (form.phone.is_some() && missing_phone.is_none())
        || (form.email.is_some() && missing_email.is_none())
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

/// Whether one of the contact's numbers is this one. What cannot be read as a number is compared by its last digits:
/// people write `8-10-66…`, leave out a country's code, and put words around.
fn has_phone(contact: &Contact, phone: &str, region: Region) -> bool {
    values(contact, &PHONE)
        .iter()
        .any(|value| is_phone(&value.value, phone, region))
}

fn is_phone(stored: &str, phone: &str, region: Region) -> bool {
    if let Some(stored) = phone::normalise(stored, region) {
        return stored == phone;
    }
    let national = searched_digits(phone);
    national.len() >= MIN_DIGITS && digits(stored).ends_with(&national)
}

/// What a phone is searched by: the digits that every spelling of it has (`02-crm-entities.md` §3.5: +7900… and 8900… are
/// both found by 900…).
fn searched_digits(phone: &str) -> String {
    phone::national(phone).unwrap_or_else(|| digits(phone))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_in_every_spelling_and_no_other_is() {
        for (stored, phone, same) in [
            ("8 (900) 123-45-67", "+79001234567", true),
            ("9001234567", "+79001234567", true),
            ("тел. +7 900 123-45-67", "+79001234567", true),
            ("+79001234568", "+79001234567", false),
            ("79001234567890", "+79001234567", false),
            ("0812345678", "+66812345678", true),
            ("66 81 234 5678", "+66812345678", true),
            ("+66812345678", "+79812345678", false),
            ("8-10-66-81-234-56-78", "+66812345678", true),
            ("45678", "+66812345678", false),
            ("", "+66812345678", false),
        ] {
            assert_eq!(
                is_phone(stored, phone, Region::RU),
                same,
                "{stored} {phone}"
            );
        }
    }
}
