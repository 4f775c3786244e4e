//! The account: connection, token, rights, clock, pipeline, fields.

use amocrm_sdk::{Error, ErrorKind};
use chrono::TimeDelta;
use service_kit::doctor::Finding;

use crate::App;
use crate::crm::{
    CrmError, INTAKE_FIELD_CODE, KeysProbe, Linked, Why, read_contact_fields, read_fields,
    read_stages,
};
use crate::lead::{DealField, UTM_MARKS};

/// A clock that is off by more renews tokens too late, or too early.
const CLOCK_TOLERANCE_SECONDS: i64 = 120;
/// A long-lived token that ends sooner has to be replaced soon.
const TOKEN_WARNING: TimeDelta = TimeDelta::days(30);
/// How far back leads are looked at for fields that were not found.
const WARNINGS_OF: TimeDelta = TimeDelta::days(7);

const RECONNECT: &str =
    "an administrator of the account opens /api/auth/amo of this service and allows the access";

pub(super) async fn connection(app: &App) -> Vec<Finding> {
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(CrmError::NotConnected) => return not_connected(app).await,
        Err(error) => return vec![refusal(app, &error)],
    };
    match linked.client.account().get().await {
        Ok(account) => vec![Finding::good(format!(
            "«{}» ({}) answers",
            account.name, linked.account
        ))],
        Err(error) => vec![refusal(app, &error.into())],
    }
}

/// Nobody has given consent yet: the keys can be tried all the same.
async fn not_connected(app: &App) -> Vec<Finding> {
    let mut found = vec![
        Finding::bad("amoCRM is not connected: nobody has allowed the access yet")
            .remedy(RECONNECT),
    ];
    match app.crm().probe_keys().await {
        Ok(KeysProbe::Accepted) => found.push(Finding::good("amoCRM knows the integration's keys")),
        Ok(KeysProbe::Unknown) => {}
        Ok(KeysProbe::Refused(hint)) => found.push(keys_refused(&hint)),
        Err(error) => found.push(refusal(app, &error)),
    }
    found
}

fn keys_refused(hint: &str) -> Finding {
    let (what, variable) = if hint.contains("client_secret") {
        ("client_secret", "AMOCRM_CLIENT_SECRET")
    } else if hint.contains("edirect") {
        ("redirect_uri", "AMOCRM_REDIRECT_URI")
    } else {
        ("client_id", "AMOCRM_CLIENT_ID")
    };
    Finding::bad(format!("Invalid {what}: amoCRM does not accept {variable} ({hint})")).remedy(format!(
        "copy {variable} again from the integration's Keys tab, of this very account; a secret key made anew replaces the \
         old one"
    ))
}

fn refusal(app: &App, error: &CrmError) -> Finding {
    let hint = match error {
        CrmError::Sdk(error) => error
            .problem()
            .and_then(|problem| problem.hint())
            .unwrap_or_default(),
        _ => "",
    };
    if hint.contains("client_") {
        return keys_refused(hint);
    }
    if error.needs_reconnect() || matches!(error, CrmError::Refused) {
        let remedy = if app.config().amocrm.access_token().is_some() {
            "make a new long-lived token in the integration's Keys tab, set AMOCRM_ACCESS_TOKEN and restart"
        } else {
            RECONNECT
        };
        return Finding::bad(format!(
            "Access token expired: amoCRM accepts neither the token nor its renewal ({error})"
        ))
        .remedy(remedy);
    }
    let remedy = match error {
        CrmError::NotConfigured => {
            "fill in the integration's three keys in .env; see docs/lead-intake.md"
        }
        CrmError::Sdk(error) => sdk_remedy(error),
        _ => "the log of the service says more",
    };
    Finding::bad(error.to_string()).remedy(remedy)
}

fn sdk_remedy(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Transport => {
            "is AMOCRM_DOMAIN right, and may this machine reach it over HTTPS (proxy: AMOCRM_PROXY)?"
        }
        ErrorKind::Blocked => {
            "amoCRM blocks this machine's address: write to its support; the queue waits"
        }
        ErrorKind::PaymentRequired => {
            "the account is not paid for: leads wait in the queue until it is"
        }
        ErrorKind::Forbidden => {
            "the token lacks rights: an administrator has to open /api/auth/amo"
        }
        ErrorKind::RateLimited => {
            "amoCRM is asked too often, by this or another integration; try again in a minute"
        }
        _ => "try again; if it stays, amoCRM's status page and support know more",
    }
}

pub(super) async fn token(app: &App) -> Vec<Finding> {
    let standing = match app.crm().standing().await {
        Ok(standing) => standing,
        Err(error) => return vec![refusal(app, &error)],
    };
    let now = app.crm().now();
    let expires_at = match (standing.connection, standing.long_lived) {
        (Some(connection), false) => {
            let minutes = (connection.expires_at - now).num_minutes();
            return vec![Finding::good(format!(
                "the access token lives for {minutes} more minutes and renews itself"
            ))];
        }
        _ => app.crm().long_lived_until(),
    };
    let Some(expires_at) = expires_at else {
        return vec![Finding::good(
            "the long-lived token does not say when it ends",
        )];
    };
    let left = expires_at - now;
    let told = format!(
        "the long-lived token ends on {}",
        expires_at.format("%Y-%m-%d")
    );
    let remedy =
        "make a new one in the integration's Keys tab, set AMOCRM_ACCESS_TOKEN and restart";
    vec![if left <= TimeDelta::zero() {
        Finding::bad(format!("Access token expired: {told}")).remedy(remedy)
    } else if left < TOKEN_WARNING {
        Finding::warn(told).remedy(remedy)
    } else {
        Finding::good(told)
    }]
}

pub(super) async fn rights(app: &App) -> Vec<Finding> {
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(app, &error)],
    };
    let mut found = Vec::new();
    let scopes = app.crm().scopes().await.unwrap_or_default();
    if !scopes.is_empty() && !scopes.iter().any(|scope| scope == "crm") {
        found.push(
            Finding::bad("the integration may not read or write the CRM's data: its scope `crm` is missing")
                .remedy("tick the access to the account's data in the integration's settings, then connect again"),
        );
    }
    found.push(administrator(&linked).await);
    found
}

async fn administrator(linked: &Linked) -> Finding {
    let remedy = "let an administrator of the account open /api/auth/amo: `lead-intake provision` needs it, delivery of \
                  leads does not";
    let user = async {
        let account = linked.client.account().get().await?;
        match account.current_user_id {
            Some(id) => linked.client.users().get(id).await,
            None => Ok(None),
        }
    };
    match user.await {
        Ok(Some(user)) if user.rights.is_admin => Finding::good("the token is an administrator's"),
        Ok(Some(_)) => Finding::warn("the token is not an administrator's").remedy(remedy),
        Ok(None) => Finding::good("amoCRM does not say whose the token is"),
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            Finding::warn("the token may not read users, so it is probably not an administrator's")
                .remedy(remedy)
        }
        Err(error) => Finding::warn(error.to_string()),
    }
}

/// A clock that is wrong renews tokens too late.
pub(super) async fn clock(app: &App) -> Vec<Finding> {
    let standing = match app.crm().standing().await {
        Ok(standing) => standing,
        Err(error) => return vec![refusal(app, &error)],
    };
    let issued = standing
        .connection
        .and_then(|connection| Some((connection.obtained_at, connection.claims?.issued_at?)));
    let Some((obtained, issued)) = issued else {
        return vec![Finding::good(
            "cannot be compared with amoCRM's, which is no harm",
        )];
    };
    let off = (obtained - issued).num_seconds();
    vec![if off.abs() > CLOCK_TOLERANCE_SECONDS {
        Finding::warn(format!(
            "was {off} s away from amoCRM's when the token was made"
        ))
        .remedy("let NTP set this machine's clock")
    } else {
        Finding::good("agrees with amoCRM's")
    }]
}

pub(super) async fn pipeline(app: &App) -> Vec<Finding> {
    let intake = &app.config().intake;
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(app, &error)],
    };
    // Not the whole mapping: reading that makes the field for intake ids, and whoever examines changes nothing.
    let stages = match read_stages(&linked.client, intake).await {
        Ok(stages) => stages,
        Err(error) => return vec![refusal(app, &error)],
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
        Err(error) => return vec![refusal(app, &error)],
    };
    let read = async {
        let deals = read_fields(&linked.client).await?;
        Ok::<_, CrmError>((deals, read_contact_fields(&linked.client).await?))
    };
    let ((deals, intake_field), contacts) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![refusal(app, &error)],
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
