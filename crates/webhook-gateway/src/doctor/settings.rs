//! The configuration: whether it is really this installation's, and not the example's.

use connection::doctor::{SettingValue, is_placeholder};
use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;

use crate::config::Config;

/// The configuration has been read already: a wrong one does not get here.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut values = SettingValue::common(&config.amocrm, &config.security, &config.server);
    if let Some(secret) = &config.gateway.webhook_secret {
        let secret = secret.expose_secret().to_owned();
        values.push(SettingValue::new("GATEWAY_WEBHOOK_SECRET", secret, true));
    }
    let mut found = SettingValue::findings(&values, &config.amocrm);
    for subscriber in &config.subscribers {
        let url = subscriber.settings.url.as_deref().unwrap_or_default();
        if is_placeholder(url) || url.contains("example.") {
            found.push(
                Finding::bad(format!(
                    "the url of the subscriber {} is still the placeholder of the guide",
                    subscriber.name
                ))
                .remedy("put the address of your own system into gateway.toml"),
            );
        }
    }
    if found.is_empty() {
        let (accounts, subscribers) = (config.accounts.len(), config.subscribers.len());
        found.push(Finding::good(format!(
            "it can be used; accounts: {accounts}, subscribers in gateway.toml: {subscribers}"
        )));
    }
    found
}
