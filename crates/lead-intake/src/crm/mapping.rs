//! The account's pipeline, stages and fields, as this service uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amocrm_sdk::custom_fields::{CustomField, FieldOwner, NewCustomField};
use amocrm_sdk::fields::{CustomFieldValues, Field, FieldType, kind};
use amocrm_sdk::leads::{LOST, WON};
use amocrm_sdk::pipelines::Pipeline;
use amocrm_sdk::{Client, PipelineId, StatusId};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Crm, CrmError, FieldDef, FieldSet, Linked};
use crate::config::{IntakeConfig, stage_number};
use crate::lead::LeadStatus;

/// Code of the field that tells which deal is which lead. Without it a lost answer could mean a second deal.
pub(crate) const INTAKE_FIELD_CODE: &str = "INTAKE_ID";
/// Name of that field.
pub(crate) const INTAKE_FIELD_NAME: &str = "Intake ID";

/// After this time pipelines and fields are read again: people change them.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// The same while the configured pipeline is missing, which somebody may be about to mend.
const FALLBACK_FRESH_FOR: Duration = Duration::from_secs(30);

/// A stage that we have not heard of is a reason to read the account again, but not more often than this.
const REREAD_AFTER: TimeDelta = TimeDelta::seconds(10);
/// The same for a stage that meant nothing to us when we read the account: it may have been renamed since.
const REREAD_MEANINGLESS_AFTER: TimeDelta = TimeDelta::minutes(1);

/// What a stage of amoCRM means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Our status.
    Status(LeadStatus),
    /// Nothing to us.
    Nothing,
    /// Nobody knows before the account is read again.
    Unknown,
}

impl Meaning {
    /// Our status, if it means one.
    pub(crate) fn status(self) -> Option<LeadStatus> {
        match self {
            Self::Status(status) => Some(status),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// What was read from the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    pub(crate) account: String,
    pub(crate) read_at: DateTime<Utc>,
    pub(crate) stages: Stages,
    pub(crate) fields: FieldSet,
    /// The contacts' fields: the marks of a new contact go there.
    pub(crate) contact_fields: FieldSet,
    /// The field of [`INTAKE_FIELD_CODE`].
    pub(crate) intake_field: u64,
}

/// A pipeline and which of its stages means what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stages {
    pub(crate) pipeline_id: u64,
    pub(crate) pipeline_name: String,
    /// The configured pipeline does not exist; this is the account's main one.
    pub(crate) is_fallback: bool,
    /// Where a new deal goes if there is no stage for `new`.
    pub(crate) first: Option<u64>,
    pub(crate) by_status: BTreeMap<LeadStatus, u64>,
    /// Every stage with deals that are being worked on, also those that mean nothing to us.
    pub(crate) open: Vec<u64>,
    /// All stages of the pipeline.
    #[serde(default)]
    pub(crate) all: BTreeSet<u64>,
}

impl Stages {
    /// The stages of a pipeline, found by their names.
    pub(crate) fn of(pipeline: &Pipeline, config: &IntakeConfig, is_fallback: bool) -> Self {
        let own = LeadStatus::ALL.into_iter().filter_map(|status| {
            let id = match status {
                LeadStatus::Completed => WON,
                LeadStatus::Lost => LOST,
                _ => find_stage(pipeline, config.stages.get(status))?,
            };
            Some((status, id.get()))
        });
        Self {
            pipeline_id: pipeline.id.get(),
            pipeline_name: pipeline.name.clone(),
            is_fallback,
            first: pipeline.first_stage().map(|stage| stage.id.get()),
            by_status: own.collect(),
            open: pipeline
                .statuses()
                .iter()
                .filter(|stage| !stage.is_unsorted() && stage.id != WON && stage.id != LOST)
                .map(|stage| stage.id.get())
                .collect(),
            all: pipeline
                .statuses()
                .iter()
                .map(|stage| stage.id.get())
                .collect(),
        }
    }

    /// The stage of a status.
    pub(crate) fn stage(&self, status: LeadStatus) -> Option<(PipelineId, StatusId)> {
        let id = self.by_status.get(&status)?;
        Some((PipelineId::new(self.pipeline_id), StatusId::new(*id)))
    }

    /// What a stage of amoCRM means. 142 and 143 mean the same in every pipeline; some webhooks name no pipeline.
    pub(crate) fn status(&self, pipeline: Option<u64>, stage: u64) -> Option<LeadStatus> {
        if stage == WON.get() {
            return Some(LeadStatus::Completed);
        }
        if stage == LOST.get() {
            return Some(LeadStatus::Lost);
        }
        if pipeline.is_some_and(|pipeline| pipeline != self.pipeline_id) {
            return None;
        }
        self.by_status
            .iter()
            .find(|(_, id)| **id == stage)
            .map(|(status, _)| *status)
    }

    /// The statuses that have no stage.
    pub(crate) fn missing(&self) -> Vec<LeadStatus> {
        LeadStatus::ALL
            .into_iter()
            .filter(|status| !self.by_status.contains_key(status))
            .collect()
    }
}

/// The stage of this name, or of this number if no name is like it: `#60000002`.
fn find_stage(pipeline: &Pipeline, wanted: &str) -> Option<StatusId> {
    let wanted = wanted.trim();
    let name = wanted.to_lowercase();
    let named = pipeline
        .statuses()
        .iter()
        .find(|stage| stage.name.trim().to_lowercase() == name);
    let number = stage_number(wanted);
    named
        .or_else(|| {
            pipeline
                .statuses()
                .iter()
                .find(|stage| Some(stage.id.get()) == number)
        })
        .map(|stage| stage.id)
}

impl Mapping {
    /// What a stage of amoCRM means, and whether that is known for sure at `now`.
    pub(crate) fn meaning(&self, pipeline: Option<u64>, stage: u64, now: DateTime<Utc>) -> Meaning {
        if let Some(status) = self.stages.status(pipeline, stage) {
            return Meaning::Status(status);
        }
        let is_elsewhere = pipeline.is_some_and(|pipeline| pipeline != self.stages.pipeline_id);
        let is_known = self.stages.all.contains(&stage)
            && (now - self.read_at).abs() < REREAD_MEANINGLESS_AFTER;
        if is_elsewhere || is_known {
            Meaning::Nothing
        } else {
            Meaning::Unknown
        }
    }

    /// How long the account is not to be read again for a stage that nobody knows.
    pub(crate) fn rests_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        let age = (now - self.read_at).abs();
        (REREAD_AFTER - age)
            .to_std()
            .ok()
            .filter(|rest| !rest.is_zero())
    }

    /// What is known, read from the account if that was long ago.
    ///
    /// It is kept in the database and not in memory, so that `lead-intake provision` is noticed at once by every process.
    pub(crate) async fn current(
        crm: &Crm,
        linked: &Linked,
        config: &IntakeConfig,
    ) -> Result<Self, CrmError> {
        let stored = Self::stored(crm, &linked.account).await?;
        match stored.filter(|mapping| mapping.is_fresh(crm.now())) {
            Some(mapping) => Ok(mapping),
            None => Self::read(crm, linked, config).await,
        }
    }

    /// What was read last, however old: enough to understand a webhook without asking.
    pub(crate) async fn last_known(crm: &Crm) -> Result<Option<Self>, CrmError> {
        match crm.account_name().await? {
            Some(account) => Self::stored(crm, &account).await,
            None => Ok(None),
        }
    }

    /// The intake id that a deal carries.
    pub(crate) fn intake_id(&self, values: &CustomFieldValues) -> Option<Uuid> {
        let field: Field<kind::Text> = Field::id(self.intake_field);
        values.get(&field).ok().flatten()?.trim().parse().ok()
    }

    /// Reads pipelines and fields from the account, and makes the field for intake ids if it is missing.
    pub(crate) async fn read(
        crm: &Crm,
        linked: &Linked,
        config: &IntakeConfig,
    ) -> Result<Self, CrmError> {
        let client = &linked.client;
        let stages = read_stages(client, config).await?;
        let (fields, intake_field) = read_fields(client).await?;
        let contact_fields = read_contact_fields(client).await?;
        let intake_field = match intake_field {
            Some(id) => id,
            None => create_intake_field(client).await?,
        };
        let mapping = Self {
            account: linked.account.clone(),
            read_at: crm.now(),
            stages,
            fields,
            contact_fields,
            intake_field,
        };
        crm.store()
            .meta()
            .put(&setting(&linked.account), &mapping)
            .await?;
        if mapping.stages.is_fallback {
            tracing::warn!(
                pipeline.wanted = config.pipeline,
                pipeline.used = mapping.stages.pipeline_name,
                "the configured pipeline does not exist; deals go to the main one until `lead-intake provision` makes it"
            );
        }
        Ok(mapping)
    }

    /// Whether reading the account again has brought nothing new.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        (
            &self.stages,
            &self.fields,
            &self.contact_fields,
            self.intake_field,
        ) == (
            &other.stages,
            &other.fields,
            &other.contact_fields,
            other.intake_field,
        )
    }

    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let fresh_for = if self.stages.is_fallback {
            FALLBACK_FRESH_FOR
        } else {
            FRESH_FOR
        };
        (now - self.read_at)
            .abs()
            .to_std()
            .is_ok_and(|age| age < fresh_for)
    }

    async fn stored(crm: &Crm, account: &str) -> Result<Option<Self>, CrmError> {
        // A mapping of another release is read anew.
        let value: Option<serde_json::Value> = crm.store().meta().get(&setting(account)).await?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }
}

fn setting(account: &str) -> String {
    format!("mapping/{account}")
}

/// The configured pipeline, else the main one: a lead is never held back for a missing pipeline.
pub(crate) async fn read_stages(
    client: &Client,
    config: &IntakeConfig,
) -> Result<Stages, CrmError> {
    let pipelines: Vec<Pipeline> = client.pipelines().list().stream().try_collect().await?;
    if let Some(pipeline) = find_pipeline(&pipelines, &config.pipeline) {
        return Ok(Stages::of(pipeline, config, false));
    }
    pipelines
        .iter()
        .find(|pipeline| pipeline.is_main)
        .or(pipelines.first())
        .map(|pipeline| Stages::of(pipeline, config, true))
        .ok_or_else(|| {
            CrmError::Missing(format!(
                "the account has no pipeline; make «{}» with: lead-intake provision",
                config.pipeline
            ))
        })
}

/// The pipeline of this name that is in use.
pub(crate) fn find_pipeline<'a>(pipelines: &'a [Pipeline], name: &str) -> Option<&'a Pipeline> {
    let name = name.trim().to_lowercase();
    pipelines
        .iter()
        .find(|pipeline| !pipeline.is_archive && pipeline.name.trim().to_lowercase() == name)
}

/// The deals' fields, and the one for intake ids.
pub(crate) async fn read_fields(client: &Client) -> Result<(FieldSet, Option<u64>), CrmError> {
    let fields = read_definitions(client, FieldOwner::Leads).await?;
    let intake_field = fields
        .0
        .iter()
        .find(|field| field.code.as_deref() == Some(INTAKE_FIELD_CODE))
        .map(|field| field.id);
    Ok((fields, intake_field))
}

/// The contacts' fields.
pub(crate) async fn read_contact_fields(client: &Client) -> Result<FieldSet, CrmError> {
    read_definitions(client, FieldOwner::Contacts).await
}

/// The fields of an entity that can be written.
async fn read_definitions(client: &Client, owner: FieldOwner) -> Result<FieldSet, CrmError> {
    let fields: Vec<CustomField> = client
        .custom_fields(owner)
        .list()
        .stream()
        .try_collect()
        .await?;
    let writable = fields
        .into_iter()
        .filter(|field| field.is_computed != Some(true))
        .map(|field| FieldDef {
            id: field.id.get(),
            name: field.name,
            code: field.code,
            kind: field.field_type.to_string(),
            choices: field
                .enums
                .into_iter()
                .map(|option| (option.id.get(), option.value))
                .collect(),
        });
    Ok(FieldSet(writable.collect()))
}

/// Makes the field for intake ids. Only administrators may; without it the leads wait.
pub(crate) async fn create_intake_field(client: &Client) -> Result<u64, CrmError> {
    let field = NewCustomField::new(INTAKE_FIELD_NAME, FieldType::Text)
        .code(INTAKE_FIELD_CODE)
        .api_only(true);
    let created = client
        .custom_fields(FieldOwner::Leads)
        .create([field])
        .await;
    match created {
        Ok(fields) => fields.first().map(|field| field.id.get()).ok_or_else(|| {
            CrmError::Missing(format!("the field {INTAKE_FIELD_CODE} was not created"))
        }),
        // Another process may have been faster: the code is unique.
        Err(error) => match read_fields(client).await? {
            (_, Some(id)) => Ok(id),
            (_, None) => Err(error.into()),
        },
    }
}
