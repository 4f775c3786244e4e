//! The configuration: whether it is really this installation's, and complete.

use connection::doctor::SettingValue;
use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;

use crate::config::Config;

/// The configuration has been read already: a wrong one does not get here.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut values = SettingValue::common(&config.amocrm, &config.security, &config.server);
    let examples = config.lessons.examples();
    values.extend(examples.map(|(name, value)| SettingValue::new(&name, value.to_owned(), false)));
    if let Some(key) = config.lessons.api_key() {
        let key = key.expose_secret().to_owned();
        values.push(SettingValue::new("LESSON_API_KEY", key, true));
    }
    let mut found = SettingValue::findings(&values, &config.amocrm);
    let amocrm = &config.amocrm;
    if amocrm.access_token().is_some() && amocrm.credentials().is_none() {
        found.push(
            Finding::warn(
                "there is an access token and no OAuth: an ordinary access token dies after 24 hours, and nothing can renew it",
            )
            .remedy(
                "set AMOCRM_CLIENT_ID, AMOCRM_CLIENT_SECRET and AMOCRM_REDIRECT_URI, and AMOCRM_REFRESH_TOKEN or a consent at \
                 /api/auth/amo; a long-lived token of the Keys tab is fine as it is",
            ),
        );
    }
    for course in config.courses.all() {
        for (number, lesson) in course.numbered() {
            if lesson.id.is_none() {
                found.push(
                    Finding::warn(format!(
                        "lesson {number} of course {} has no id of the platform: it is known by its number only",
                        course.name
                    ))
                    .remedy("set LESSON_IDS, or id in the file of courses"),
                );
            }
        }
    }
    if found.is_empty() {
        found.push(Finding::good("it can be used"));
    }
    found
}
