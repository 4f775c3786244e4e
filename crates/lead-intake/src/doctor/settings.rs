//! The configuration: whether it is really this installation's, and not the example's.

use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;

use crate::config::Config;
use crate::lead::{DealField, LeadStatus};

/// Ids that the guides of this integration print as examples: fields 123456 to 123467, and stages.
const EXAMPLE_IDS: [&str; 3] = ["12345678", "23456789", "34567890"];
const EXAMPLE_FIELDS: std::ops::RangeInclusive<u32> = 123_456..=123_467;

/// The configuration has been read already: a wrong one does not get here.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut found: Vec<_> = values(config)
        .into_iter()
        .filter(|value| is_placeholder(&value.text))
        .map(|value| value.finding())
        .collect();
    if let Some(keys) = config.amocrm.credentials()
        && !is_placeholder(&keys.client_id)
        && uuid::Uuid::parse_str(keys.client_id.trim()).is_err()
    {
        found.push(
            Finding::warn("Invalid client_id: AMOCRM_CLIENT_ID does not look like one, which is 36 characters with hyphens")
                .remedy("copy the integration's id from its Keys tab in amoCRM"),
        );
    }
    if found.is_empty() {
        found.push(Finding::good("it can be used"));
    }
    found
}

struct SettingValue {
    variable: String,
    text: String,
    is_secret: bool,
}

impl SettingValue {
    fn finding(&self) -> Finding {
        let shown = if self.is_secret {
            ""
        } else {
            self.text.as_str()
        };
        let what = if self.variable == "AMOCRM_CLIENT_ID" {
            "Invalid client_id: "
        } else if self.variable.starts_with("INTAKE_FIELD_") {
            "Field not found: "
        } else {
            ""
        };
        Finding::bad(
            format!(
                "{what}{} is still the placeholder {shown} of the guide",
                self.variable
            )
            .replace("  ", " "),
        )
        .remedy(format!(
            "put your own value into .env, or leave {} empty if you do not need it",
            self.variable
        ))
    }
}

/// Everything that a guide gives an example for.
fn values(config: &Config) -> Vec<SettingValue> {
    let mut values = Vec::new();
    let mut add = |variable: &str, text: Option<String>, is_secret: bool| {
        if let Some(text) = text {
            values.push(SettingValue {
                variable: variable.to_owned(),
                text,
                is_secret,
            });
        }
    };
    let amocrm = &config.amocrm;
    add("AMOCRM_DOMAIN", amocrm.domain(), false);
    if let Some(keys) = amocrm.credentials() {
        add("AMOCRM_CLIENT_ID", Some(keys.client_id), false);
        add(
            "AMOCRM_CLIENT_SECRET",
            Some(keys.client_secret.expose_secret().to_owned()),
            true,
        );
    }
    add(
        "AMOCRM_REDIRECT_URI",
        amocrm.redirect_uri().map(str::to_owned),
        false,
    );
    for (variable, secret) in [
        ("AMOCRM_ACCESS_TOKEN", amocrm.access_token()),
        ("AMOCRM_REFRESH_TOKEN", amocrm.refresh_token()),
        ("ADMIN_TOKEN", config.security.admin_token.as_ref()),
        (
            "INTAKE_WEBHOOK_SECRET",
            config.intake.webhook_secret.as_ref(),
        ),
    ] {
        add(
            variable,
            secret.map(|secret| secret.expose_secret().to_owned()),
            true,
        );
    }
    add("PUBLIC_URL", config.server.public_url.clone(), false);
    add("FRONTEND_URL", config.server.frontend_url.clone(), false);
    add(
        "INTAKE_PIPELINE",
        Some(config.intake.pipeline.clone()),
        false,
    );
    for status in LeadStatus::ALL {
        let variable = format!("INTAKE_STAGE_{}", status.as_str().to_uppercase());
        add(
            &variable,
            Some(config.intake.stages.get(status).to_owned()),
            false,
        );
    }
    for field in DealField::ALL {
        let variable = format!("INTAKE_FIELD_{}", field.as_str().to_uppercase());
        add(&variable, Some(config.fields.name(field).to_owned()), false);
    }
    values
}

/// Whether a value was copied from a guide.
fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    ["your_", "your-", "<your", "your company"]
        .iter()
        .any(|begin| text.starts_with(begin) || text.contains(&format!("//{begin}")))
        || text.ends_with("_here")
        || text == "changeme"
        || EXAMPLE_IDS.contains(&text.as_str())
        || text
            .parse()
            .is_ok_and(|id: u32| EXAMPLE_FIELDS.contains(&id))
}

#[cfg(test)]
mod tests {
    use service_kit::config::Environment;

    use super::*;

    #[test]
    fn the_guides_placeholders_are_named_and_secrets_are_not_repeated() {
        let settings = [
            ("AMOCRM_CLIENT_ID", "your_client_id_here"),
            ("AMOCRM_CLIENT_SECRET", "your_client_secret_here"),
            ("AMOCRM_DOMAIN", "your-company.amocrm.ru"),
            (
                "AMOCRM_REDIRECT_URI",
                "http://localhost:8000/api/auth/amo/callback",
            ),
            ("AMOCRM_REFRESH_TOKEN", "your_refresh_token_here"),
            ("PUBLIC_URL", "http://your-domain.com"),
            ("INTAKE_STAGE_CONTACTED", "12345678"),
            ("INTAKE_STAGE_DEAL", "23456789"),
            ("INTAKE_STAGE_SELECTION", "34567890"),
            ("INTAKE_FIELD_OBJECT", "123466"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(Environment::from_pairs(settings), None).unwrap();
        let found = check(&config);
        let told: Vec<_> = found.iter().map(|finding| finding.text.as_str()).collect();
        for name in [
            "Invalid client_id: AMOCRM_CLIENT_ID is still the placeholder your_client_id_here of the guide",
            "AMOCRM_DOMAIN is still the placeholder your-company.amocrm.ru of the guide",
            "AMOCRM_CLIENT_SECRET is still the placeholder of the guide",
            "AMOCRM_REFRESH_TOKEN is still the placeholder of the guide",
            "PUBLIC_URL is still the placeholder http://your-domain.com of the guide",
            "INTAKE_STAGE_CONTACTED is still the placeholder 12345678 of the guide",
            "INTAKE_STAGE_DEAL is still the placeholder 23456789 of the guide",
            "INTAKE_STAGE_SELECTION is still the placeholder 34567890 of the guide",
            "Field not found: INTAKE_FIELD_OBJECT is still the placeholder 123466 of the guide",
        ] {
            assert!(told.contains(&name), "{name}: {told:#?}");
        }
        assert_eq!(told.len(), 9, "{told:#?}");
        let fine = Config::load(Environment::from_pairs([("", "")]), None).unwrap();
        assert_eq!(check(&fine), [Finding::good("it can be used")]);
    }
}
