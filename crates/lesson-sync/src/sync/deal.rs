//! Which deal is a student's.

use std::collections::BTreeSet;
use std::fmt;

use amocrm_sdk::contacts::{Contact, ContactWith};
use amocrm_sdk::fields::EMAIL;
use amocrm_sdk::leads::Lead;
use amocrm_sdk::{Client, LeadId, StatusId};
use connection::CrmError;
use futures_util::future::try_join_all;

use super::Ladder;
use super::stages::is_final;
use crate::config::DealRule;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The only deal there is; nobody has looked at it yet.
    Only(LeadId),
    /// An open deal in the course's pipeline.
    Open(LeadId),
    /// Only closed ones; this is the one that would have been meant.
    Closed { lead: u64, stage: u64 },
    /// None.
    Nowhere(Absence),
}

/// Why there is no deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    Contact,
    Deal,
    Pipeline,
}

impl Absence {
    /// One word for the log and for figures.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Contact => "no_contact",
            Self::Deal => "no_deal",
            Self::Pipeline => "not_in_pipeline",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contact => "no contact in amoCRM has this e-mail",
            Self::Deal => "the contact has no deal",
            Self::Pipeline => "none of the contact's deals is in the course's pipeline",
        })
    }
}

/// The student's deal: the one that the rule chooses among those of these contacts, which are all with the e-mail.
/// `client` gathers what is asked for at once.
pub(super) async fn find_deal(
    client: &Client,
    contacts: &[Contact],
    ladder: &Ladder,
) -> Result<Found, CrmError> {
    if contacts.is_empty() {
        return Ok(Found::Nowhere(Absence::Contact));
    }
    let ids = ids_of(contacts);
    if let (Some(only), 1) = (ids.first(), ids.len()) {
        return Ok(Found::Only(*only));
    }
    let deals = read(client, ids).await?;
    if deals.is_empty() {
        return Ok(Found::Nowhere(Absence::Deal));
    }
    Ok(choose(&deals, ladder))
}

fn choose(deals: &[Lead], ladder: &Ladder) -> Found {
    let candidates = || deals.iter().filter(|lead| is_candidate(lead, ladder));
    if let Some(open) = best(candidates().filter(|lead| !is_closed(lead)), ladder.rule()) {
        return Found::Open(open.id);
    }
    match best(candidates(), ladder.rule()) {
        Some(closed) => Found::Closed {
            lead: closed.id.get(),
            stage: closed.status_id.map_or(0, StatusId::get),
        },
        None => Found::Nowhere(Absence::Pipeline),
    }
}

fn best<'a>(deals: impl Iterator<Item = &'a Lead>, rule: DealRule) -> Option<&'a Lead> {
    match rule {
        DealRule::Newest => deals.max_by_key(|lead| (lead.created_at, lead.id)),
        DealRule::Oldest => deals.min_by_key(|lead| (lead.created_at, lead.id)),
        DealRule::LastChanged => deals.max_by_key(|lead| (lead.updated_at, lead.id)),
    }
}

pub(super) fn is_candidate(lead: &Lead, ladder: &Ladder) -> bool {
    !lead.is_deleted && lead.pipeline_id == Some(ladder.pipeline())
}

fn is_closed(lead: &Lead) -> bool {
    lead.status_id.is_some_and(|stage| is_final(stage.get()))
}

/// The contacts that really have this e-mail: amoCRM's search finds parts of any field, so every hit of every page is
/// compared.
pub(super) async fn search(client: &Client, email: &str) -> amocrm_sdk::Result<Vec<Contact>> {
    let mut hits = client
        .contacts()
        .list()
        .search(email)
        .with([ContactWith::Leads])
        .stream();
    let mut found = Vec::new();
    while let Some(contact) = hits.try_next().await? {
        if has_email(&contact, email) {
            found.push(contact);
        }
    }
    Ok(found)
}

pub(super) fn has_email(contact: &Contact, email: &str) -> bool {
    !contact.is_deleted && emails(contact).any(|own| own == email)
}

/// A contact's e-mails as they are compared.
pub(super) fn emails(contact: &Contact) -> impl Iterator<Item = String> {
    let values = contact.custom_fields_values.get(&EMAIL).ok().flatten();
    let values = values.into_iter().flatten();
    values.map(|value| value.value.trim().to_lowercase())
}

fn ids_of(contacts: &[Contact]) -> BTreeSet<LeadId> {
    let leads = contacts.iter().flat_map(|contact| &contact.embedded.leads);
    leads.map(|lead| lead.id).collect()
}

async fn read(client: &Client, ids: BTreeSet<LeadId>) -> Result<Vec<Lead>, CrmError> {
    let reads = ids
        .into_iter()
        .map(|id| client.leads().get(id).into_future());
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// An address as it is compared: in lower case.
pub(crate) fn normalise(text: &str) -> Option<String> {
    connection::normalise_email(text)
}

/// Everything that the search looks at, for people. Says whether there is a deal that would be moved.
pub(crate) async fn explain(
    client: &Client,
    email: &str,
    ladder: &Ladder,
    out: &mut (dyn std::io::Write + Send),
) -> anyhow::Result<bool> {
    let contacts = search(client, email).await?;
    writeln!(out, "contacts with this e-mail: {}", contacts.len())?;
    for contact in &contacts {
        writeln!(
            out,
            "  contact {}: {} deals",
            contact.id,
            contact.embedded.leads.len()
        )?;
    }
    let deals = read(&client.batcher(), ids_of(&contacts)).await?;
    for lead in &deals {
        let place = if lead.is_deleted {
            "in the trash"
        } else if lead.pipeline_id != Some(ladder.pipeline()) {
            "in another pipeline"
        } else if is_closed(lead) {
            "closed"
        } else {
            "open"
        };
        let stage = lead.status_id.map_or(0, StatusId::get);
        let created = lead
            .created_at
            .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M").to_string());
        writeln!(
            out,
            "  deal {} at stage {stage}, created {created}: {place}",
            lead.id
        )?;
    }
    let found = if contacts.is_empty() {
        Found::Nowhere(Absence::Contact)
    } else if deals.is_empty() {
        Found::Nowhere(Absence::Deal)
    } else {
        choose(&deals, ladder)
    };
    let rule = match ladder.rule() {
        DealRule::Newest => "newest",
        DealRule::Oldest => "oldest",
        DealRule::LastChanged => "last changed",
    };
    match found {
        Found::Only(deal) | Found::Open(deal) => {
            writeln!(
                out,
                "→ deal {deal}: the {rule} open one in «{}»",
                ladder.name()
            )?;
            return Ok(true);
        }
        Found::Closed { lead, .. } => {
            writeln!(
                out,
                "→ none: deal {lead} is closed, and closed deals are left alone"
            )?;
        }
        Found::Nowhere(absence) => writeln!(out, "→ none: {absence}")?,
    }
    Ok(false)
}
