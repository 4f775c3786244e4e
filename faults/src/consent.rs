//! An administrator allows a service the access to the account.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

use crate::http::Http;

/// Opens the start page of the service at `base`, allows the access, and comes back.
pub(crate) async fn allow(http: &Http, base: &str, admin_token: &str) -> anyhow::Result<()> {
    let bearer = format!("Bearer {admin_token}");
    let authorization = [("authorization", bearer.as_str())];
    let start = format!("{base}/api/auth/amo");
    let start = http
        .send(Method::GET, &start, &authorization, &Value::Null)
        .await?;
    let consent = start.location.context("/api/auth/amo leads nowhere")?;
    let page = http.send(Method::GET, &consent, &[], &Value::Null).await?;
    let account = page
        .text
        .split("<option value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    let url = url::Url::parse(&consent)?;
    let mut fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    fields.push(("account".to_owned(), account.to_owned()));
    fields.push(("action".to_owned(), "allow".to_owned()));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let back = http.post_form(&consent, &fields).await?;
    let back = back.location.context("the consent leads nowhere")?;
    let back = http.send(Method::GET, &back, &[], &Value::Null).await?;
    anyhow::ensure!(
        back.status == 200,
        "the account was not connected: {} {}",
        back.status,
        back.text
    );
    Ok(())
}
