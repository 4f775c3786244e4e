//! TLS, the proxy, and accounts chosen by host name.

use std::net::SocketAddr;

use amocrm_emulator::Emulator;
use reqwest::{Certificate, Client, Proxy, StatusCode};
use serde_json::json;

use super::client::{Bench, json_of};

async fn start(directory: &std::path::Path) -> Bench {
    let tls_address = SocketAddr::from(([127, 0, 0, 1], 0));
    Bench::with(
        Emulator::builder()
            .rate_limit(None)
            .tls(tls_address, directory)
            .start()
            .await
            .expect("an emulator"),
    )
}

fn trusting(bench: &Bench) -> reqwest::ClientBuilder {
    let ca = std::fs::read(bench.credentials().ca_file.as_ref().expect("a CA")).expect("a file");
    Client::builder().tls_certs_only([Certificate::from_pem(&ca).expect("a certificate")])
}

fn through_proxy(bench: &Bench) -> Client {
    let proxy = Proxy::all(bench.emulator.base_url()).expect("a proxy");
    trusting(bench).proxy(proxy).build().expect("a client")
}

#[tokio::test]
async fn a_client_that_insists_on_the_real_host_comes_through_the_proxy() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = start(directory.path()).await;
    let (client, token) = (through_proxy(&bench), &bench.credentials().access_token);
    let get = |url: &str| client.get(url).bearer_auth(token).send();

    let account = get("https://asiadeals.amocrm.ru/api/v4/account")
        .await
        .expect("an answer");
    assert_eq!(account.status(), StatusCode::OK);
    assert_eq!(
        json_of(account).await["_links"]["self"]["href"],
        "https://asiadeals.amocrm.ru/api/v4/account"
    );
    let kommo = get("https://asiadeals.kommo.com/api/v4/account")
        .await
        .expect("an answer");
    assert_eq!(kommo.status(), StatusCode::OK);
    let plain = get("http://asiadeals.amocrm.ru/api/v4/account")
        .await
        .expect("an answer");
    assert_eq!(
        json_of(plain).await["_links"]["self"]["href"],
        "http://asiadeals.amocrm.ru/api/v4/account"
    );

    let stranger = get("https://nobody.amocrm.ru/api/v4/account")
        .await
        .expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(stranger).await["errors"][0]["code"], 101);
    let shared = get("https://www.amocrm.ru/api/v4/account")
        .await
        .expect("an answer");
    assert_eq!(shared.status(), StatusCode::UNAUTHORIZED);
    let lookup = get("https://www.amocrm.ru/oauth2/account/subdomain")
        .await
        .expect("an answer");
    assert_eq!(json_of(lookup).await["subdomain"], "asiadeals");
    let consent = format!(
        "https://www.amocrm.ru/oauth?client_id={}",
        bench.credentials().client_id
    );
    assert_eq!(
        get(&consent).await.expect("an answer").status(),
        StatusCode::OK
    );

    assert!(
        get("https://example.com/").await.is_err(),
        "no tunnel leads anywhere else"
    );
    assert_eq!(
        get("http://example.com/")
            .await
            .expect("an answer")
            .status(),
        StatusCode::FORBIDDEN
    );
    let all_came_through_it = bench
        .emulator
        .requests()
        .iter()
        .all(|entry| entry.source.starts_with("proxy "));
    assert!(all_came_through_it, "{:?}", bench.emulator.requests());
}

#[tokio::test]
async fn the_host_chooses_between_two_accounts() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = start(directory.path()).await;
    let second = bench
        .control("accounts", &json!({ "subdomain": "second", "tld": "com" }))
        .await;
    let text = |name: &str| second[name].as_str().expect("text").to_owned();
    let (client, first) = (through_proxy(&bench), bench.credentials());
    let account = |host: &'static str, token: String| {
        let request = client.get(format!("https://{host}/api/v4/account"));
        async move {
            let answer = request.bearer_auth(token).send().await.expect("an answer");
            (answer.status().as_u16(), json_of(answer).await)
        }
    };
    let own = account("second.kommo.com", text("access_token")).await;
    assert_eq!(
        (own.0, &own.1["subdomain"], &own.1["id"]),
        (200, &json!("second"), &second["account_id"])
    );
    for (host, token) in [
        ("asiadeals.amocrm.ru", text("long_lived_token")),
        ("second.kommo.com", first.access_token.clone()),
    ] {
        assert_eq!(account(host, token).await.0, 401, "{host}");
    }
    // Over plain HTTP the token tells; no record is in both.
    let leads = bench.http.get(bench.url("/api/v4/leads"));
    let leads = leads.bearer_auth(text("access_token")).send().await;
    assert_eq!(leads.expect("an answer").status(), StatusCode::NO_CONTENT);

    let exchange = |host: &'static str| {
        let mut body = second.clone();
        body["grant_type"] = "authorization_code".into();
        let request = client.post(format!("https://{host}/oauth2/access_token"));
        async move {
            let answer = request.body(body.to_string()).send().await;
            json_of(answer.expect("an answer")).await
        }
    };
    assert_eq!(
        exchange("asiadeals.amocrm.ru").await["hint"],
        "Invalid account"
    );
    let pair = exchange("second.kommo.com").await;
    assert!(pair["access_token"].is_string() && pair["server_time"].is_u64());
}

#[tokio::test]
async fn the_tls_port_is_trusted_by_the_ca_of_an_earlier_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = start(directory.path()).await;
    let old_ca = trusting(&first);
    first.emulator.shutdown().await;
    let bench = start(directory.path()).await;
    let tls = bench
        .credentials()
        .tls_base_url
        .clone()
        .expect("a TLS address");
    let client = old_ca.no_proxy().build().expect("a client");
    let account = client
        .get(format!("{tls}/api/v4/account"))
        .bearer_auth(&bench.credentials().access_token);
    let account = account.send().await.expect("an answer");
    assert_eq!(account.status(), StatusCode::OK);
    assert_eq!(
        json_of(account).await["_links"]["self"]["href"],
        format!("{tls}/api/v4/account")
    );
    let port = tls.rsplit(':').next().expect("a port");
    let named = client
        .get(format!("https://localhost:{port}/api/v4/account"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(named.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_renamed_account_is_found_by_its_tokens() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = start(directory.path()).await;
    let (client, c) = (through_proxy(&bench), bench.credentials());
    bench
        .control(
            "accounts/rename",
            &json!({ "subdomain": "asia-new", "old_host_status": 404 }),
        )
        .await;
    let old = client
        .get("https://asiadeals.amocrm.ru/api/v4/account")
        .bearer_auth(&c.access_token);
    assert_eq!(
        old.send().await.expect("an answer").status(),
        StatusCode::NOT_FOUND
    );
    let lookup = client.get("https://api-b.amocrm.ru/oauth2/account/current/subdomain");
    let found = lookup
        .header("X-Refresh-Token", &c.refresh_token)
        .send()
        .await
        .expect("an answer");
    let domain = json_of(found).await["domain"]
        .as_str()
        .expect("a domain")
        .to_owned();
    assert_eq!(domain, "asia-new.amocrm.ru");
    let new = client
        .get(format!("https://{domain}/api/v4/account"))
        .bearer_auth(&c.access_token);
    assert_eq!(
        new.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    let bad = bench
        .http
        .post(bench.url("/_emulator/accounts/rename"))
        .body(r#"{"subdomain":"no spaces"}"#);
    assert_eq!(
        bad.send().await.expect("an answer").status(),
        StatusCode::BAD_REQUEST
    );
}
