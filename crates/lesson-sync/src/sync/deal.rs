//! Which deal is a student's.

use std::collections::BTreeSet;
use std::fmt;

use amocrm_sdk::contacts::{Contact, ContactWith};
use amocrm_sdk::fields::EMAIL;
use amocrm_sdk::leads::{Lead, LeadFilter};
use amocrm_sdk::{Client, LeadId, StatusId};
use connection::CrmError;

use super::Ladder;
use super::stages::is_final;
use crate::config::DealRule;

/// Deals asked for at once; the ids travel in the address.
const CHUNK: usize = 50;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
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

/// The student's deal: the one that we know, else the one that the rule chooses among those of the contacts with this
/// e-mail.
pub(super) async fn find_deal(
    client: &Client,
    email: &str,
    known: Option<u64>,
    ladder: &Ladder,
) -> Result<Found, CrmError> {
    if let Some(known) = known
        && let Some(lead) = client.leads().get(LeadId::new(known)).await?
        && is_candidate(&lead, ladder)
        && !is_closed(&lead)
    {
        return Ok(Found::Open(lead.id));
    }
    let contacts = contacts_of(client, email).await?;
    if contacts.is_empty() {
        return Ok(Found::Nowhere(Absence::Contact));
    }
    let deals = deals_of(client, &contacts).await?;
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

fn is_candidate(lead: &Lead, ladder: &Ladder) -> bool {
    !lead.is_deleted && lead.pipeline_id == Some(ladder.pipeline())
}

fn is_closed(lead: &Lead) -> bool {
    lead.status_id.is_some_and(|stage| is_final(stage.get()))
}

/// The contacts that really have this e-mail: amoCRM's search finds parts of any field, so every hit of every page is
/// compared.
async fn contacts_of(client: &Client, email: &str) -> Result<Vec<Contact>, CrmError> {
    let mut hits = client
        .contacts()
        .list()
        .search(email)
        .with([ContactWith::Leads])
        .stream();
    let mut found = Vec::new();
    while let Some(contact) = hits.try_next().await? {
        if !contact.is_deleted && has_email(&contact, email) {
            found.push(contact);
        }
    }
    Ok(found)
}

fn has_email(contact: &Contact, email: &str) -> bool {
    let values = contact.custom_fields_values.get(&EMAIL).ok().flatten();
    let mut values = values.iter().flatten();
    values.any(|value| value.value.trim().to_lowercase() == email)
}

async fn deals_of(client: &Client, contacts: &[Contact]) -> Result<Vec<Lead>, CrmError> {
    let ids: BTreeSet<_> = contacts
        .iter()
        .flat_map(|contact| &contact.embedded.leads)
        .map(|lead| lead.id)
        .collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut deals = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let filter = LeadFilter::new().ids(chunk.iter().copied());
        let page = client.leads().list().filter(filter).all().await?;
        // A filter that is not understood gives the whole collection.
        deals.extend(page.into_iter().filter(|lead| chunk.contains(&lead.id)));
    }
    Ok(deals)
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
    let contacts = contacts_of(client, email).await?;
    writeln!(out, "contacts with this e-mail: {}", contacts.len())?;
    for contact in &contacts {
        writeln!(
            out,
            "  contact {}: {} deals",
            contact.id,
            contact.embedded.leads.len()
        )?;
    }
    let deals = deals_of(client, &contacts).await?;
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
        Found::Open(deal) => {
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
