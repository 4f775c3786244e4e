//! A lead as this API shows it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{DeliveryState, LeadHistory, LeadRow, LeadWarning, Suspect};
use utoipa::ToSchema;

use super::funnels::MessageView;
use super::view_manager::ManagerView;
use crate::crm::Why;
use crate::lead::{DealField, LeadForm, LeadStatus};

/// How a lead's delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Delivery {
    /// Stored; nothing was sent yet.
    Queued,
    /// Being sent, or waiting for another attempt.
    Delivering,
    /// amoCRM has it.
    Delivered,
    /// amoCRM refuses it; a person has to look.
    Failed,
}

impl From<DeliveryState> for Delivery {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Queued => Self::Queued,
            DeliveryState::Delivering => Self::Delivering,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Failed => Self::Failed,
        }
    }
}

impl From<Delivery> for DeliveryState {
    fn from(state: Delivery) -> Self {
        match state {
            Delivery::Queued => Self::Queued,
            Delivery::Delivering => Self::Delivering,
            Delivery::Delivered => Self::Delivered,
            Delivery::Failed => Self::Failed,
        }
    }
}

/// The delivery of a lead.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// How it stands.
    pub state: Delivery,
    /// How many attempts have begun.
    pub attempts: u32,
    /// What the last failed attempt said; only for the administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When amoCRM had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Where a lead is in amoCRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AmoView {
    /// The deal.
    pub lead_id: i64,
    /// The contact.
    pub contact_id: Option<i64>,
    /// The deal's page.
    pub url: String,
    /// When the deal was found to be deleted in amoCRM, or merged into another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<DateTime<Utc>>,
}

/// A change of a lead's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryView {
    /// Its number.
    pub id: i64,
    /// `status`; or `deal_gone` and `deal_back`, which leave the status as it is.
    #[schema(example = "status")]
    pub event: String,
    /// The status before.
    #[schema(example = "new")]
    pub from: String,
    /// The status after.
    #[schema(example = "contacted")]
    pub to: String,
    /// Where the change came from: `api`, `webhook`, `gateway`, `look`, `reconcile`, `delivery`.
    #[schema(example = "webhook")]
    pub origin: String,
    /// The user of amoCRM who made it, where amoCRM says so; `0` is a robot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user: Option<i64>,
    /// When, by the clock of the side where it was made.
    pub at: DateTime<Utc>,
}

impl From<LeadHistory> for HistoryView {
    fn from(line: LeadHistory) -> Self {
        Self {
            id: line.id,
            event: line.event.as_str().to_owned(),
            from: line.from,
            to: line.to,
            origin: line.origin.as_str().to_owned(),
            by_user: line.by_user,
            at: line.at,
        }
    }
}

/// A page of a lead's history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryPage {
    /// The changes, newest first.
    pub history: Vec<HistoryView>,
    /// Give it as `before` to get the next page; `null` at the end.
    pub next: Option<i64>,
}

/// What `POST /api/leads` answers: no word of who the visitor is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Receipt {
    /// Our number.
    pub id: i64,
    /// Our status.
    #[schema(example = "new")]
    pub status: String,
    /// The delivery.
    pub delivery: DeliveryView,
    /// Where it is in amoCRM, once it is there.
    pub amocrm: Option<AmoView>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Names of values that were not understood and are not stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// A lead in full.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LeadView {
    /// Our number.
    pub id: i64,
    /// Names this lead in amoCRM, in the deal's field "Intake ID".
    pub intake_id: String,
    /// Our status.
    #[schema(example = "new")]
    pub status: String,
    /// When the status changed.
    pub status_changed_at: DateTime<Utc>,
    /// The visitor's name.
    pub name: Option<String>,
    /// In E.164.
    pub phone: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// Where the visitor came from.
    pub utm_source: Option<String>,
    /// Where the visitor came from.
    pub utm_medium: Option<String>,
    /// Where the visitor came from.
    pub utm_campaign: Option<String>,
    /// Where the visitor came from.
    pub utm_content: Option<String>,
    /// Where the visitor came from.
    pub utm_term: Option<String>,
    /// The visitor's comment.
    pub comment: Option<String>,
    /// Tags of the deal.
    pub tags: Vec<String>,
    /// Price of the deal.
    pub price: Option<i64>,
    /// What is sold.
    pub object: Option<String>,
    /// What it costs.
    pub object_price: Option<String>,
    /// What the agency earns.
    pub commission: Option<String>,
    /// How the payment stands.
    pub payment_status: Option<String>,
    /// Further fields.
    pub custom_fields: BTreeMap<String, Vec<String>>,
    /// Fields whose values are in the deal's note instead; only when one lead is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningView>,
    /// The delivery.
    pub delivery: DeliveryView,
    /// Where it is in amoCRM, once it is there.
    pub amocrm: Option<AmoView>,
    /// Who is responsible for it, as far as that was decided or heard here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerView>,
    /// Messages of funnels; only when one lead is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageView>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When anything of it changed.
    pub updated_at: DateTime<Utc>,
    /// The newest changes of its status, newest first. Only where one lead is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
}

/// A field of the lead whose value is in the deal's note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct WarningView {
    /// What the field is called.
    #[schema(example = "Объект")]
    pub field: String,
    /// One of missing, unknown, option, value, twice, refused; merged is about the lead as a whole.
    #[schema(example = "missing")]
    pub reason: String,
    /// What it means, and what to do.
    #[schema(example = "field not found: «Объект»; run `lead-intake provision`")]
    pub message: String,
}

impl From<LeadWarning> for WarningView {
    fn from(warning: LeadWarning) -> Self {
        let why = Why::parse(&warning.reason);
        Self {
            message: why.map_or_else(String::new, |why| why.tell(&warning.field)),
            field: warning.field,
            reason: warning.reason,
        }
    }
}

/// A page of leads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LeadPage {
    /// The leads, newest first.
    pub leads: Vec<LeadView>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub next: Option<i64>,
}

/// What addresses of the account's pages begin with; `None` while there is no account.
pub(crate) type Site = Option<String>;

impl Receipt {
    pub(crate) fn of(row: &LeadRow, site: &Site, ignored: Vec<String>) -> Self {
        Self {
            id: row.id,
            status: row.local_status.clone(),
            delivery: DeliveryView {
                last_error: None,
                ..delivery(row)
            },
            amocrm: amocrm(row, site),
            created_at: row.created_at,
            ignored,
        }
    }
}

impl Receipt {
    /// Looks like that of a lead which waits.
    pub(crate) fn of_suspect(suspect: &Suspect, ignored: Vec<String>) -> Self {
        Self {
            id: suspect.id,
            status: LeadStatus::New.as_str().to_owned(),
            delivery: DeliveryView {
                state: Delivery::Queued,
                attempts: 0,
                last_error: None,
                delivered_at: None,
            },
            amocrm: None,
            created_at: suspect.created_at,
            ignored,
        }
    }
}

impl LeadView {
    pub(crate) fn of(row: LeadRow, site: &Site) -> Self {
        let form: LeadForm = serde_json::from_value(row.payload.clone()).unwrap_or_default();
        let field = |field: DealField| form.fields.get(&field).cloned();
        Self {
            id: row.id,
            intake_id: row.intake_id.to_string(),
            delivery: delivery(&row),
            amocrm: amocrm(&row, site),
            manager: ManagerView::of(&row),
            messages: Vec::new(),
            status: row.local_status,
            status_changed_at: row.status_changed_at,
            name: row.name,
            phone: row.phone,
            email: row.email,
            utm_source: row.utm.source,
            utm_medium: row.utm.medium,
            utm_campaign: row.utm.campaign,
            utm_content: row.utm.content,
            utm_term: row.utm.term,
            object: field(DealField::Object),
            object_price: field(DealField::ObjectPrice),
            commission: field(DealField::Commission),
            payment_status: field(DealField::PaymentStatus),
            warnings: Vec::new(),
            comment: form.comment,
            tags: form.tags,
            price: form.price,
            custom_fields: form.custom_fields,
            created_at: row.created_at,
            updated_at: row.updated_at,
            history: None,
        }
    }
}

fn delivery(row: &LeadRow) -> DeliveryView {
    DeliveryView {
        state: row.delivery.into(),
        attempts: row.attempts,
        last_error: row.last_error.clone(),
        delivered_at: row.delivered_at,
    }
}

fn amocrm(row: &LeadRow, site: &Site) -> Option<AmoView> {
    let lead_id = row.amo_lead_id?;
    let site = site
        .clone()
        .unwrap_or_else(|| format!("https://{}", row.account));
    Some(AmoView {
        lead_id,
        contact_id: row.amo_contact_id.filter(|id| *id > 0),
        url: format!("{site}/leads/detail/{lead_id}"),
        gone_at: row.amo_gone_at,
    })
}
