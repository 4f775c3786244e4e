//! Deals: making one, finding one whose making was not answered, moving one.

use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::entity::Direction;
use amocrm_sdk::fields::{EMAIL, Field, FieldChanges, PHONE, kind};
use amocrm_sdk::leads::{ComplexLead, Lead, LeadFilter, LeadOrder, LeadWith};
use amocrm_sdk::{Client, ContactId, LeadId, PipelineId, StatusId, UserId};
use chrono::{DateTime, TimeDelta, Utc};

use super::placing::{Leftover, Why, Without, left_over, marks_of_contact, place};
use super::{CrmError, Mapping};
use crate::config::{FieldsConfig, IntakeConfig};
use crate::lead::{LeadForm, LeadStatus};

/// amoCRM's clock and ours may differ by this much: as far as the zones of the earth are apart, for a machine's clock may
/// be set to the local time of anywhere and be taken for UTC. Looking further back costs a page per 250 deals, and only
/// after an attempt whose outcome nobody knows; looking not far enough makes a second deal.
const CLOCK_SKEW: TimeDelta = TimeDelta::hours(26);

/// A deal as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deal {
    pub(crate) id: LeadId,
    pub(crate) contact: Option<ContactId>,
    pub(crate) pipeline: Option<PipelineId>,
    pub(crate) status: Option<StatusId>,
    /// Who is responsible for it.
    pub(crate) responsible: Option<UserId>,
    /// When it was changed last, if that is known.
    pub(crate) updated_at: Option<DateTime<Utc>>,
    /// It was there before: the account's duplicate control folded the new one into it.
    pub(crate) is_merged: bool,
}

/// What a deal is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) id: i64,
    pub(crate) intake_id: &'a str,
    pub(crate) form: &'a LeadForm,
    pub(crate) config: &'a IntakeConfig,
    pub(crate) fields: &'a FieldsConfig,
    pub(crate) mapping: &'a Mapping,
    /// Who is to be responsible; `None`: amoCRM decides.
    pub(crate) manager: Option<UserId>,
}

/// Makes the deal, with its contact if that is new, in one request that amoCRM carries out whole or not at all.
pub(crate) async fn create_deal(
    client: &Client,
    order: Order<'_>,
    contact: Option<ContactId>,
    without: &Without,
) -> Result<(Deal, Vec<Leftover>), CrmError> {
    let (changes, leftovers) = place(order.form, order.fields, order.mapping, without);
    let deal = send(client, order, contact, changes, without).await?;
    Ok((deal, leftovers))
}

/// What of a lead may not be in the deal that it was folded into: which values win there is the account's rule, and told
/// nowhere.
pub(crate) fn folded(order: Order<'_>) -> Vec<Leftover> {
    let form = order.form;
    let person = [
        ("name", form.name.clone()),
        ("phone", form.phone.clone()),
        ("email", form.email.clone()),
        ("price", form.price.map(|price| price.to_string())),
    ];
    let person = person.into_iter().filter_map(|(field, value)| {
        Some(Leftover {
            field: field.to_owned(),
            value: value?,
            why: Why::Merged,
        })
    });
    let (_, values) = place(form, order.fields, order.mapping, &Without::everything());
    person.chain(values).collect()
}

/// What a refused deal is to be sent without.
pub(crate) fn what_is_refused(order: Order<'_>, refusal: &CrmError) -> Without {
    let CrmError::Sdk(refusal) = refusal else {
        return Without::everything();
    };
    let (sent, _) = place(order.form, order.fields, order.mapping, &Without::default());
    Without::what_is_refused(refusal, &sent)
}

/// Whether the refusal says that the contact is no longer there: somebody deleted or merged it a moment ago.
pub(crate) fn refuses_the_contact(refusal: &CrmError) -> bool {
    let CrmError::Sdk(error) = refusal else {
        return false;
    };
    error
        .validation_errors()
        .iter()
        .any(|error| error.path.contains("contacts") && error.path.rsplit('.').next() == Some("id"))
}

/// Looks for the deal that carries the intake id, among those made since the first attempt began at `since`. The clock
/// may have been set right between then and `now`.
pub(crate) async fn find_delivered(
    client: &Client,
    mapping: &Mapping,
    intake_id: &str,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Deal>, CrmError> {
    let since = since.min(now) - CLOCK_SKEW;
    // No filter by pipeline: a robot of the account may have moved the deal already.
    let mut deals = client
        .leads()
        .list()
        .with([LeadWith::Contacts])
        .filter(LeadFilter::new().created_at(since..))
        .order(LeadOrder::Id, Direction::Descending)
        .stream();
    while let Some(lead) = deals.try_next().await? {
        if carries(&lead, mapping, intake_id) {
            return Ok(Some(Deal {
                id: lead.id,
                contact: lead.main_contact(),
                pipeline: lead.pipeline_id,
                status: lead.status_id,
                responsible: lead.responsible_user_id,
                updated_at: lead.updated_at,
                is_merged: false,
            }));
        }
    }
    Ok(None)
}

/// Which values of the form a deal does not hold: what the note has to say.
pub(crate) async fn missing_values(
    client: &Client,
    order: Order<'_>,
    deal: LeadId,
) -> Result<Vec<Leftover>, CrmError> {
    let Some(lead) = client.leads().get(deal).await? else {
        return Ok(Vec::new());
    };
    Ok(left_over(order.form, order.fields, order.mapping, |id| {
        lead.custom_fields_values.raw(id).is_some()
    }))
}

async fn send(
    client: &Client,
    order: Order<'_>,
    contact: Option<ContactId>,
    mut changes: FieldChanges,
    without: &Without,
) -> Result<Deal, CrmError> {
    let Order {
        form,
        config,
        mapping,
        manager,
        ..
    } = order;
    let stages = &mapping.stages;
    let status = stages
        .by_status
        .get(&LeadStatus::New)
        .copied()
        .or(stages.first)
        .map(StatusId::new);
    let pipeline = PipelineId::new(stages.pipeline_id);
    changes.set(&intake_field(mapping), order.intake_id);
    let mut lead = ComplexLead::new()
        .name(deal_name(order))
        .pipeline(pipeline)
        .tags(deal_tags(config, form))
        .fields(changes);
    if let Some(status) = status {
        lead = lead.status(status);
    }
    if let Some(price) = form.price {
        lead = lead.price(price);
    }
    if let Some(manager) = manager {
        lead = lead.responsible_user_id(manager);
    }
    lead = match contact {
        Some(id) => lead.contact(id),
        None => lead.new_contact(new_contact(order, without)),
    };
    let created = client.leads().create_complex([lead]).await?;
    let created = created
        .first()
        .ok_or_else(|| CrmError::Missing("amoCRM answered without the deal it made".to_owned()))?;
    // Of one that was there nobody knows yet where it is and whose.
    let is_new = !created.merged;
    Ok(Deal {
        id: created.lead_id,
        contact: created.contact_id.or(contact.filter(|_| is_new)),
        pipeline: Some(pipeline).filter(|_| is_new),
        status: status.filter(|_| is_new),
        responsible: manager.filter(|_| is_new),
        updated_at: None,
        is_merged: created.merged,
    })
}

fn new_contact(order: Order<'_>, without: &Without) -> NewContact {
    let form = order.form;
    let mut contact = NewContact::new().name(person(form));
    if let Some(manager) = order.manager {
        contact = contact.responsible_user_id(manager);
    }
    if without.has_marks_of_contact() {
        contact = contact.fields(marks_of_contact(form, &order.mapping.contact_fields));
    }
    if let Some(phone) = &form.phone {
        contact = contact.field(&PHONE, phone.as_str());
    }
    if let Some(email) = &form.email {
        contact = contact.field(&EMAIL, email.as_str());
    }
    contact
}

/// What a person is called: by name, else by what we can reach them with.
fn person(form: &LeadForm) -> &str {
    form.name
        .as_deref()
        .or(form.phone.as_deref())
        .or(form.email.as_deref())
        .unwrap_or_default()
}

fn deal_name(order: Order<'_>) -> String {
    let form = order.form;
    order
        .config
        .deal_name
        .replace("{id}", &order.id.to_string())
        .replace("{phone}", form.phone.as_deref().unwrap_or_default())
        .replace("{email}", form.email.as_deref().unwrap_or_default())
        // Last: a visitor's name may hold braces of its own.
        .replace("{name}", person(form))
}

/// The tags of a deal: those of all, and its own.
pub(crate) fn deal_tags(config: &IntakeConfig, form: &LeadForm) -> Vec<String> {
    let mut tags = config.tags();
    for tag in &form.tags {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

fn intake_field(mapping: &Mapping) -> Field<kind::Text> {
    Field::id(mapping.intake_field)
}

fn carries(lead: &Lead, mapping: &Mapping, intake_id: &str) -> bool {
    lead.custom_fields_values
        .get(&intake_field(mapping))
        .ok()
        .flatten()
        .is_some_and(|value| value == intake_id)
}
