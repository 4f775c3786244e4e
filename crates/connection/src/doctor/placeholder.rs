//! Whether settings are really this installation's, and not the example's.

use std::fmt;

use secrecy::ExposeSecret as _;
use service_kit::config::{AmocrmConfig, SecurityConfig, ServerConfig};
use service_kit::doctor::Finding;

/// Ids that the guides of this integration print as examples: fields 123456 to 123467, and stages.
const EXAMPLE_IDS: [&str; 3] = ["12345678", "23456789", "34567890"];
const EXAMPLE_FIELDS: std::ops::RangeInclusive<u32> = 123_456..=123_467;
/// Characters of an integration's id.
const ID_LENGTH: usize = 36;

/// A setting that a guide gives an example for.
#[derive(Clone)]
pub struct SettingValue {
    variable: String,
    text: String,
    is_secret: bool,
}

impl fmt::Debug for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingValue")
            .field("variable", &self.variable)
            .finish_non_exhaustive()
    }
}

impl SettingValue {
    /// The value of a variable; that of a secret is never shown.
    pub fn new(variable: &str, text: String, is_secret: bool) -> Self {
        Self {
            variable: variable.to_owned(),
            text,
            is_secret,
        }
    }

    /// The values of the sections that all services have.
    pub fn common(
        amocrm: &AmocrmConfig,
        security: &SecurityConfig,
        server: &ServerConfig,
    ) -> Vec<Self> {
        let mut values = Vec::new();
        let add =
            |values: &mut Vec<Self>, variable: &str, text: Option<String>, is_secret: bool| {
                values.extend(text.map(|text| Self::new(variable, text, is_secret)));
            };
        add(&mut values, "AMOCRM_DOMAIN", amocrm.domain(), false);
        if let Some(keys) = amocrm.credentials() {
            add(&mut values, "AMOCRM_CLIENT_ID", Some(keys.client_id), false);
            add(
                &mut values,
                "AMOCRM_CLIENT_SECRET",
                Some(keys.client_secret.expose_secret().to_owned()),
                true,
            );
        }
        add(
            &mut values,
            "AMOCRM_REDIRECT_URI",
            amocrm.redirect_uri().map(str::to_owned),
            false,
        );
        for (variable, secret) in [
            ("AMOCRM_ACCESS_TOKEN", amocrm.access_token()),
            ("AMOCRM_REFRESH_TOKEN", amocrm.refresh_token()),
            ("ADMIN_TOKEN", security.admin_token.as_ref()),
            ("OPERATOR_TOKEN", security.operator_token.as_ref()),
            ("VIEWER_TOKEN", security.viewer_token.as_ref()),
        ] {
            add(
                &mut values,
                variable,
                secret.map(|secret| secret.expose_secret().to_owned()),
                true,
            );
        }
        add(&mut values, "PUBLIC_URL", server.public_url.clone(), false);
        add(
            &mut values,
            "FRONTEND_URL",
            server.frontend_url.clone(),
            false,
        );
        values
    }

    /// What is wrong with the values, and with the integration's keys.
    pub fn findings(values: &[Self], amocrm: &AmocrmConfig) -> Vec<Finding> {
        let mut found: Vec<_> = values
            .iter()
            .filter(|value| is_placeholder(&value.text))
            .map(Self::finding)
            .collect();
        if let Some(keys) = amocrm.credentials()
            && !is_placeholder(&keys.client_id)
            && !looks_like_an_id(keys.client_id.trim())
        {
            found.push(
            Finding::warn("Invalid client_id: AMOCRM_CLIENT_ID does not look like one, which is 36 characters with hyphens")
                .remedy("copy the integration's id from its Keys tab in amoCRM"),
        );
        }
        found
    }

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

/// What amoCRM shows is a UUID.
fn looks_like_an_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text.char_indices().all(|(at, character)| match at {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}

/// Whether a value was copied from a guide.
pub fn is_placeholder(text: &str) -> bool {
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
