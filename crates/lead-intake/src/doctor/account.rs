//! The account, as far as leads need it: pipeline and fields.

use chrono::TimeDelta;
use connection::doctor::refusal;
use service_kit::doctor::Finding;

use crate::App;
use crate::crm::{CrmError, INTAKE_FIELD_CODE, Why, read_contact_fields, read_fields, read_stages};
use crate::lead::{DealField, UTM_MARKS};

/// How far back leads are looked at for fields that were not found.
const WARNINGS_OF: TimeDelta = TimeDelta::days(7);

pub(super) async fn pipeline(app: &App) -> Vec<Finding> {
    let intake = &app.config().intake;
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(app.crm(), &error)],
    };
    // Not the whole mapping: reading that makes the field for intake ids, and whoever examines changes nothing.
    let stages = match read_stages(&linked.client, intake).await {
        Ok(stages) => stages,
        Err(error) => return vec![refusal(app.crm(), &error)],
    };
    if stages.is_fallback {
        return vec![
            Finding::bad(format!(
                "«{}» does not exist, deals go to «{}»",
                intake.pipeline, stages.pipeline_name
            ))
            .remedy(
                "run `lead-intake provision`, or set INTAKE_PIPELINE to the name of a pipeline",
            ),
        ];
    }
    let missing: Vec<_> = stages
        .missing()
        .into_iter()
        .map(|status| format!("«{}» ({status})", intake.stages.get(status)))
        .collect();
    vec![if missing.is_empty() {
        Finding::good(format!("«{}» has all its stages", stages.pipeline_name))
    } else {
        Finding::bad(format!("these stages are missing: {}", missing.join(", ")))
            .remedy("run `lead-intake provision`, or set INTAKE_STAGE_… to their names in amoCRM")
    }]
}

pub(super) async fn fields(app: &App) -> Vec<Finding> {
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(app.crm(), &error)],
    };
    let read = async {
        let deals = read_fields(&linked.client).await?;
        Ok::<_, CrmError>((deals, read_contact_fields(&linked.client).await?))
    };
    let ((deals, intake_field), contacts) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![refusal(app.crm(), &error)],
    };
    let mut found = Vec::new();
    let is_text = |id| {
        deals
            .0
            .iter()
            .any(|field| field.id == id && field.kind == "text")
    };
    match intake_field {
        Some(id) if is_text(id) => {}
        Some(_) => found.push(
            Finding::bad(format!("the field {INTAKE_FIELD_CODE} is not a text field"))
                .remedy("delete it in amoCRM, then run `lead-intake provision`"),
        ),
        None => found.push(
            Finding::bad(format!(
                "Field not found: «{INTAKE_FIELD_CODE}», by which deals are recognised"
            ))
            .remedy("run `lead-intake provision`"),
        ),
    }
    let marks = UTM_MARKS.map(|mark| format!("utm_{mark}"));
    let missing_marks = |fields: &crate::crm::FieldSet| {
        let missing = marks.iter().filter(|name| fields.find(name).is_none());
        missing.map(|name| format!("«{name}»")).collect::<Vec<_>>()
    };
    let mut missing = missing_marks(&deals);
    for ours in DealField::ALL {
        if deals.find_ours(ours, &app.config().fields).is_none() {
            missing.push(format!("«{}»", app.config().fields.name(ours)));
        }
    }
    if !missing.is_empty() {
        found.push(
            Finding::bad(format!(
                "Field not found: {} of deals; leads arrive, their values go into the deal's note",
                missing.join(", ")
            ))
            .remedy("run `lead-intake provision`"),
        );
    }
    let missing = missing_marks(&contacts);
    if !missing.is_empty() {
        found.push(
            Finding::warn(format!(
                "Field not found: {} of contacts",
                missing.join(", ")
            ))
            .remedy("run `lead-intake provision`"),
        );
    }
    found.extend(warned(app).await);
    if found.is_empty() {
        found.push(Finding::good("all are there"));
    }
    found
}

/// What leads of the last days were warned about.
async fn warned(app: &App) -> Vec<Finding> {
    let since = app.crm().now() - WARNINGS_OF;
    let warned = app
        .store()
        .leads()
        .warned_fields(since)
        .await
        .unwrap_or_default();
    warned
        .into_iter()
        .filter_map(|warned| {
            let why = Why::parse(&warned.reason)?;
            Some(Finding::warn(format!(
                "of {} leads within {} days: {}",
                warned.leads,
                WARNINGS_OF.num_days(),
                why.tell(&warned.field)
            )))
        })
        .collect()
}
