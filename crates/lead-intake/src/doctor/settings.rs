//! The configuration: whether it is really this installation's, and not the example's.

use connection::doctor::SettingValue;
use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;

use crate::config::Config;
use crate::lead::{DealField, LeadStatus};

/// The configuration has been read already: a wrong one does not get here.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut found = SettingValue::findings(&values(config), &config.amocrm);
    if found.is_empty() {
        found.push(Finding::good("it can be used"));
    }
    found
}

/// Everything that a guide gives an example for.
fn values(config: &Config) -> Vec<SettingValue> {
    let mut values = SettingValue::common(&config.amocrm, &config.security, &config.server);
    let mut add = |variable: &str, text: Option<String>, is_secret: bool| {
        if let Some(text) = text {
            values.push(SettingValue::new(variable, text, is_secret));
        }
    };
    add(
        "INTAKE_WEBHOOK_SECRET",
        config
            .intake
            .webhook_secret
            .as_ref()
            .map(|secret| secret.expose_secret().to_owned()),
        true,
    );
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
