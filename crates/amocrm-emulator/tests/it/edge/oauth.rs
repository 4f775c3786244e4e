//! Consent, codes, rotation and its grace, lookups, revocation.

use std::time::Duration;

use amocrm_emulator::{Emulator, OauthRules};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::client::{Bench, Exchange, json_of};

const REVOKED: (u16, &str) = (401, "Token has been revoked");

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("claims")
}

#[tokio::test]
async fn a_person_allows_an_integration_and_its_code_becomes_tokens_that_work() {
    let bench = Bench::start().await;
    let client_id = bench.credentials().client_id.clone();
    let query =
        format!("client_id={client_id}&state=s-42&response_type=code&scope=&approval_prompt=auto");
    let page = bench
        .http
        .get(bench.url(&format!("/oauth/?{query}")))
        .send()
        .await
        .expect("an answer");
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.expect("a body");
    assert!(
        html.contains("Разрешить / Allow") && html.contains("Отказать / Deny"),
        "{html}"
    );

    let press = |button: &str| {
        let form = format!("{query}&action={button}");
        let request = bench
            .http
            .post(bench.url("/oauth/"))
            .header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send()
    };
    // A form that is sent without a button, to the address of the page, is sent with the first one.
    let bare = bench.http.post(bench.url(&format!("/oauth?{query}")));
    let bare = bare.send().await.expect("an answer");
    assert!(
        bare.headers()["location"]
            .to_str()
            .is_ok_and(|it| it.contains("?code=def502"))
    );

    let answer = press("allow").await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = Url::parse(answer.headers()["location"].to_str().expect("text")).expect("a URL");
    assert!(
        location
            .as_str()
            .starts_with(&bench.credentials().redirect_uri)
    );
    let mut parameters: std::collections::BTreeMap<_, _> =
        location.query_pairs().into_owned().collect();
    let code = parameters.remove("code").expect("a code");
    let expected = [
        ("client_id", &*client_id),
        ("platform", "1"),
        ("referer", "asiadeals.amocrm.ru"),
        ("state", "s-42"),
    ];
    assert_eq!(
        parameters
            .iter()
            .map(|(k, v)| (&**k, &**v))
            .collect::<Vec<_>>(),
        expected
    );

    let pair = bench.exchange_code(&code).await;
    assert_eq!(
        (&pair.body["token_type"], &pair.body["expires_in"]),
        (&json!("Bearer"), &json!(86_400))
    );
    assert_eq!(bench.status_with(&pair.access()).await, StatusCode::OK);
    let claims = claims(&pair.access());
    assert_eq!(claims["aud"], client_id.as_str());
    assert_eq!(
        claims["exp"].as_i64(),
        claims["iat"].as_i64().map(|iat| iat + 86_400)
    );
    assert!(claims["sub"].is_string() && claims["account_id"].is_u64());
    assert_eq!(
        (&claims["base_domain"], &claims["api_domain"]),
        (&json!("amocrm.ru"), &json!("api-b.amocrm.ru"))
    );

    let refused = press("deny").await.expect("an answer");
    let location = refused.headers()["location"].to_str().expect("text");
    let expected = format!(
        "{}?error=access_denied&client_id={client_id}&state=s-42",
        bench.credentials().redirect_uri
    );
    assert_eq!(location, expected);
}

#[tokio::test]
async fn every_refusal_of_the_token_endpoint_names_its_reason_in_the_hint() {
    let bench = Bench::start().await;
    let used = bench.emulator.code();
    bench.exchange_code(&used).await.access();
    let late = bench.emulator.code();
    bench.emulator.advance(Duration::from_mins(20));
    let code = |code: &str| json!({ "grant_type": "authorization_code", "code": code });
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let good = code(&bench.emulator.code());
    let cases = [
        (code(&late), 400, "Authorization code has expired"),
        (code(&used), 400, "Authorization code has been revoked"),
        (
            code("def502garbage"),
            400,
            "Cannot decrypt the authorization code",
        ),
        (
            with(good.clone(), "client_id", json!("nobody")),
            400,
            "Check the `client_id` parameter",
        ),
        (
            with(good.clone(), "client_id", Value::Null),
            400,
            "Check the `client_id` parameter",
        ),
        (
            with(good.clone(), "client_secret", json!("wrong")),
            400,
            "Check the `client_secret` parameter",
        ),
        (
            with(
                good.clone(),
                "redirect_uri",
                json!(format!("{}/", bench.credentials().redirect_uri)),
            ),
            400,
            "Redirect URI is not associated with client",
        ),
        (
            with(good.clone(), "grant_type", json!("password")),
            400,
            "Check that all required parameters have been provided",
        ),
        (
            json!({ "grant_type": "refresh_token", "refresh_token": "garbage" }),
            400,
            "Invalid refresh token",
        ),
    ];
    for (request, status, hint) in cases {
        let refused = bench.token(request.clone()).await;
        assert_eq!(refused.refusal(), (status, hint), "{request}");
        assert_eq!(
            refused.body["type"],
            "https://developers.amocrm.ru/v3/errors/OAuthProblemJson"
        );
        assert_eq!(refused.body["title"], "Некорректный запрос");
    }
    // None of the mistakes has used the good code up, and a form is as good as JSON.
    let c = bench.credentials();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &c.client_id)
        .append_pair("client_secret", &c.client_secret)
        .append_pair("redirect_uri", &c.redirect_uri)
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", good["code"].as_str().expect("a code"))
        .finish();
    let request = bench.http.post(bench.url("/oauth2/access_token"));
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    Exchange::read(request.send().await.expect("an answer"))
        .await
        .access();
}

#[tokio::test]
async fn an_old_refresh_token_works_until_the_new_pair_is_used() {
    let bench = Bench::start().await;
    let first = bench.exchange_code(&bench.emulator.code()).await;

    // The answer is lost twice; the same token is sent again each time.
    let lost = bench.refresh(&first.refresh()).await;
    let kept = bench.refresh(&first.refresh()).await;
    assert_eq!(
        bench.status_with(&lost.access()).await,
        StatusCode::UNAUTHORIZED,
        "the lost pair was replaced"
    );
    assert_eq!(bench.refresh(&lost.refresh()).await.refusal(), REVOKED);

    // Using the new access token ends the grace.
    assert_eq!(bench.status_with(&kept.access()).await, StatusCode::OK);
    assert_eq!(bench.refresh(&first.refresh()).await.refusal(), REVOKED);
    assert_eq!(
        bench.status_with(&first.access()).await,
        StatusCode::OK,
        "the old access token lives its day"
    );

    // So does using the new refresh token.
    let next = bench.refresh(&kept.refresh()).await;
    bench.refresh(&next.refresh()).await.access();
    assert_eq!(bench.refresh(&kept.refresh()).await.refusal(), REVOKED);
}

#[tokio::test]
async fn the_unsure_facts_of_rotation_are_switches() {
    let mut rules = OauthRules::default();
    rules.strict_rotation = true;
    rules.revoke_family_on_reuse = true;
    let bench = Bench::with(
        Emulator::builder()
            .rate_limit(None)
            .oauth_rules(rules)
            .start()
            .await
            .expect("an emulator"),
    );
    let first = bench.exchange_code(&bench.emulator.code()).await;
    let second = bench.refresh(&first.refresh()).await;
    assert_eq!(bench.status_with(&second.access()).await, StatusCode::OK);
    assert_eq!(bench.refresh(&first.refresh()).await.refusal(), REVOKED);
    assert_eq!(
        bench.status_with(&second.access()).await,
        StatusCode::UNAUTHORIZED,
        "reuse took the family with it"
    );

    let changes = json!({ "strict_rotation": false, "grace_seconds": 60, "revoke_old_access": true, "unknown_refresh_status": 401 });
    bench.control("oauth", &changes).await;
    let first = bench.exchange_code(&bench.emulator.code()).await;
    bench.refresh(&first.refresh()).await.access();
    bench.emulator.advance(Duration::from_mins(1));
    assert_eq!(
        bench.refresh(&first.refresh()).await.refusal(),
        REVOKED,
        "the grace has a time limit now"
    );
    assert_eq!(
        bench.refresh("garbage").await.refusal(),
        (401, "Cannot decrypt the refresh token")
    );
}

#[tokio::test]
async fn a_refresh_token_lives_three_months_from_the_last_renewal() {
    let bench = Bench::start().await;
    let month = Duration::from_hours(30 * 24);
    let mut pair = bench.exchange_code(&bench.emulator.code()).await;
    for _ in 0..3 {
        bench.emulator.advance(month * 2);
        assert_eq!(
            bench.status_with(&pair.access()).await,
            StatusCode::UNAUTHORIZED
        );
        pair = bench.refresh(&pair.refresh()).await;
        assert_eq!(bench.status_with(&pair.access()).await, StatusCode::OK);
    }
    bench.emulator.advance(month * 3);
    assert_eq!(
        bench.refresh(&pair.refresh()).await.refusal(),
        (401, "Token has expired")
    );
}

#[tokio::test]
async fn expiry_and_revocation_are_told_apart_by_the_refresh_token() {
    let bench = Bench::start().await;
    let c = bench.credentials();
    assert_eq!(bench.status_with(&c.access_token).await, StatusCode::OK);
    assert!(bench.emulator.expire_tokens() >= 1);
    let answer = bench
        .get("/api/v4/account")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(json_of(answer).await["status"], 401);
    assert_eq!(
        bench.status_with(&c.long_lived_token).await,
        StatusCode::OK,
        "long-lived tokens are not meant"
    );
    let pair = bench.refresh(&c.refresh_token).await;
    assert_eq!(bench.status_with(&pair.access()).await, StatusCode::OK);

    bench.emulator.revoke_tokens();
    assert_eq!(
        bench.status_with(&pair.access()).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        bench.status_with(&c.long_lived_token).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(bench.refresh(&pair.refresh()).await.refusal(), REVOKED);
    assert_eq!(
        bench
            .http
            .get(bench.url("/api/v4/account"))
            .send()
            .await
            .expect("an answer")
            .status(),
        401
    );
}

#[tokio::test]
async fn tokens_without_the_scope_and_foreign_context_users_are_refused() {
    let bench = Bench::start().await;
    let issued = bench
        .control("tokens", &json!({ "scopes": ["notifications"], "days": 1 }))
        .await;
    let answer = bench
        .http
        .get(bench.url("/api/v4/account"))
        .bearer_auth(issued["access_token"].as_str().expect("a token"));
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        json_of(answer).await["detail"],
        "Client doesn't have the required scope"
    );
    let stranger = bench
        .get("/api/v4/account")
        .header("x-context-user-id", "1")
        .send()
        .await
        .expect("an answer");
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_finds_its_account_and_its_owner() {
    let bench = Bench::start().await;
    let c = bench.credentials();
    let by_access = json_of(
        bench
            .get("/oauth2/account/subdomain")
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    let by_refresh = bench
        .http
        .get(bench.url("/oauth2/account/current/subdomain"));
    let by_refresh = by_refresh
        .header("X-Refresh-Token", &c.refresh_token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(by_access, json_of(by_refresh).await);
    assert_eq!(by_access["domain"], format!("{}.amocrm.ru", c.subdomain));
    let nobody = bench
        .http
        .get(bench.url("/oauth2/account/subdomain"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(nobody.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        json_of(nobody).await["detail"],
        "You need an authorization header"
    );
    let owner = json_of(bench.get("/v3/user").send().await.expect("an answer")).await;
    assert_eq!(
        owner["id"].to_string(),
        claims(&c.access_token)["sub"].as_str().expect("text")
    );
    bench.refresh(&c.refresh_token).await.access();
}
