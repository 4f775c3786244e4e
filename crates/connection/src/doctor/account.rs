//! The account: connection, token, rights, clock.

use amocrm_sdk::{Error, ErrorKind};
use chrono::{DateTime, TimeDelta, Utc};
use service_kit::doctor::Finding;

use crate::{Crm, CrmError, KeysProbe, Linked};

/// A clock that is off by more renews tokens too late, or too early.
const CLOCK_TOLERANCE_SECONDS: i64 = 120;
/// A long-lived token that ends sooner has to be replaced soon.
const TOKEN_WARNING: TimeDelta = TimeDelta::days(30);

const RECONNECT: &str =
    "an administrator of the account opens /api/auth/amo of this service and allows the access";

/// Whether the account answers, and if nobody has given consent, whether the keys are known.
pub async fn connection(crm: &Crm) -> Vec<Finding> {
    let linked = match crm.linked().await {
        Ok(linked) => linked,
        Err(CrmError::NotConnected) => return not_connected(crm).await,
        Err(error) => return vec![refusal(crm, &error)],
    };
    match linked.client.account().get().await {
        Ok(account) => vec![Finding::good(format!(
            "«{}» ({}) answers",
            account.name, linked.account
        ))],
        Err(error) => vec![refusal(crm, &error.into())],
    }
}

/// Nobody has given consent yet: the keys can be tried all the same.
async fn not_connected(crm: &Crm) -> Vec<Finding> {
    let mut found = vec![
        Finding::bad("amoCRM is not connected: nobody has allowed the access yet")
            .remedy(RECONNECT),
    ];
    match crm.probe_keys().await {
        Ok(KeysProbe::Accepted) => found.push(Finding::good("amoCRM knows the integration's keys")),
        Ok(KeysProbe::Unknown) => {}
        Ok(KeysProbe::Refused(hint)) => found.push(keys_refused(&hint)),
        Err(error) => found.push(refusal(crm, &error)),
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

/// What amoCRM, or the way to it, refuses, with what to do about it.
pub fn refusal(crm: &Crm, error: &CrmError) -> Finding {
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
        let remedy = if crm.config().access_token().is_some() {
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
            "fill in the integration's three keys in .env; docs/lead-intake.md tells where they are"
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
        ErrorKind::PaymentRequired => "the account is not paid for: the queue waits until it is",
        ErrorKind::Forbidden => {
            "the token lacks rights: an administrator has to open /api/auth/amo"
        }
        ErrorKind::RateLimited => {
            "amoCRM is asked too often, by this or another integration; try again in a minute"
        }
        _ => "try again; if it stays, amoCRM's status page and support know more",
    }
}

/// How long the token lives.
pub async fn token(crm: &Crm) -> Vec<Finding> {
    let standing = match crm.standing().await {
        Ok(standing) => standing,
        Err(error) => return vec![refusal(crm, &error)],
    };
    let now = crm.now();
    let expires_at = match (standing.connection, standing.long_lived) {
        (Some(connection), false) => {
            let minutes = (connection.expires_at - now).num_minutes();
            return vec![Finding::good(format!(
                "the access token lives for {minutes} more minutes and renews itself"
            ))];
        }
        _ => crm.long_lived_until(),
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

/// What the token may do. `needs` says what an administrator's is needed for.
pub async fn rights(crm: &Crm, needs: &str) -> Vec<Finding> {
    let linked = match crm.linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(crm, &error)],
    };
    let mut found = Vec::new();
    let scopes = crm.scopes().await.unwrap_or_default();
    if !scopes.is_empty() && !scopes.iter().any(|scope| scope == "crm") {
        found.push(
            Finding::bad("the integration may not read or write the CRM's data: its scope `crm` is missing")
                .remedy("tick the access to the account's data in the integration's settings, then connect again"),
        );
    }
    found.push(administrator(&linked, needs).await);
    found
}

async fn administrator(linked: &Linked, needs: &str) -> Finding {
    let remedy = format!("let an administrator of the account open /api/auth/amo: {needs}");
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

/// A clock that is wrong renews tokens too late, and looks for lost answers at the wrong time.
pub async fn clock(crm: &Crm) -> Vec<Finding> {
    let linked = match crm.linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![refusal(crm, &error)],
    };
    let request = linked.client.account().get().into_request();
    let answer = match linked.client.send(request).await {
        Ok(answer) => answer,
        Err(error) => return vec![refusal(crm, &error.into())],
    };
    let told = answer.headers().get(http::header::DATE);
    vec![compare(told.and_then(|date| date.to_str().ok()), crm.now())]
}

/// Compares our time with the `Date` of an answer that has just come.
fn compare(told: Option<&str>, now: DateTime<Utc>) -> Finding {
    let Some(theirs) = told.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        return Finding::good("cannot be compared with amoCRM's, which is no harm");
    };
    let off = (now - theirs.to_utc()).num_seconds();
    if off.abs() > CLOCK_TOLERANCE_SECONDS {
        Finding::warn(format!("is {off} s away from amoCRM's"))
            .remedy("let NTP set this machine's clock, in UTC")
    } else {
        Finding::good("agrees with amoCRM's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_date_of_an_answer() {
        let now = DateTime::from_timestamp(1_784_000_000, 0).unwrap();
        let told = "Tue, 14 Jul 2026 03:33:20 GMT";
        assert_eq!(now.to_rfc2822(), "Tue, 14 Jul 2026 03:33:20 +0000");
        let at = |ahead| compare(Some(told), now + TimeDelta::seconds(ahead)).text;
        assert!(at(-119).contains("agrees"));
        assert!(at(119).contains("agrees"));
        assert!(at(3 * 3600).contains("10800 s away"));
        assert!(at(-3600).contains("-3600 s away"));
        for unread in [None, Some(""), Some("yesterday")] {
            assert!(compare(unread, now).text.contains("cannot be compared"));
        }
    }
}
