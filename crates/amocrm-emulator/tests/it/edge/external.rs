//! Integrations made on the spot by the button on a site.

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::client::Bench;
use super::subscriber::Subscriber;

#[tokio::test]
async fn the_site_button_can_make_an_integration_of_its_own() {
    let (bench, site) = (Bench::start().await, Subscriber::start().await);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("name", "Site <form>")
        .append_pair("redirect_uri", "https://site.example/back?from=amo")
        .append_pair("secrets_uri", &site.url)
        .append_pair("scopes[]", "crm")
        .append_pair("state", "s-1")
        .append_pair("mode", "popup")
        .finish();
    let page = bench
        .http
        .get(bench.url(&format!("/oauth/?{form}")))
        .send()
        .await
        .expect("an answer");
    assert!(
        page.text()
            .await
            .expect("a body")
            .contains("Site &lt;form&gt;")
    );
    let allow = || {
        let request = bench
            .http
            .post(bench.url("/oauth/"))
            .header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("{form}&action=allow")).send()
    };
    site.answer(204);
    assert_eq!(
        allow().await.expect("an answer").status(),
        StatusCode::BAD_REQUEST,
        "only exactly 200 will do"
    );
    site.answer(200);
    let popup = allow().await.expect("an answer");
    assert_eq!(
        popup.status(),
        StatusCode::OK,
        "a popup closes itself by script"
    );
    let location = popup.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let script = popup.text().await.expect("a body");
    assert!(script.contains("window.opener.location"));

    let secrets: Value =
        serde_json::from_slice(&site.received().last().expect("secrets").body).expect("JSON");
    assert_eq!(
        (&secrets["state"], &secrets["scopes"]),
        (&json!("s-1"), &json!("crm"))
    );
    let location = Url::parse(&location).expect("a URL");
    let parameters: std::collections::BTreeMap<_, _> =
        location.query_pairs().into_owned().collect();
    assert_eq!(parameters["from"], "amo", "the registered query stays");
    let exchange = json!({
        "client_id": secrets["client_id"],
        "client_secret": secrets["client_secret"],
        "redirect_uri": "https://site.example/back?from=amo",
        "grant_type": "authorization_code",
        "code": parameters["code"],
    });
    assert_eq!(
        bench
            .status_with(&bench.token(exchange).await.access())
            .await,
        StatusCode::OK
    );
}
