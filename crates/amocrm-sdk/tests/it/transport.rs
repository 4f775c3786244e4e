//! The default transport, over real sockets.

use std::time::Duration;

use amocrm_sdk::leads::NewLead;
use amocrm_sdk::{Client, ClientBuilder, Delivery, ErrorKind, Operation, Request, RetryPolicy};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn client(base_url: &str) -> Client {
    Client::builder("acme.amocrm.ru")
        .base_url(base_url)
        .long_lived_token("the-token")
        .retry(RetryPolicy::none())
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap()
}

#[tokio::test]
async fn requests_carry_token_and_user_agent_and_redirects_are_not_followed() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/api/v4/account"))
        .and(header("authorization", "Bearer the-token"))
        .and(header(
            "user-agent",
            concat!("amocrm-sdk/", env!("CARGO_PKG_VERSION")),
        ))
        .respond_with(
            ResponseTemplate::new(301).insert_header("location", "https://elsewhere.example/"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let error = client(&server.uri()).account().get().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Rejected, Some(301))
    );
}

#[tokio::test]
async fn a_refused_connection_was_not_sent_and_a_silent_server_may_have_acted() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = client(&format!("http://{closed}"))
        .leads()
        .create([NewLead::new()])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Connect, Delivery::NotSent)
    );

    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(30)))
        .mount(&server)
        .await;
    let error = client(&server.uri())
        .leads()
        .create([NewLead::new()])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Timeout, Delivery::Unknown)
    );
}

#[tokio::test]
async fn an_html_page_with_status_200_is_a_decode_error_without_its_text() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(
            ResponseTemplate::new(200).set_body_raw("<html>+79001234567</html>", "text/html"),
        )
        .mount(&server)
        .await;
    let error = client(&server.uri()).account().get().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Decode, Delivery::Answered)
    );
    assert!(!format!("{error:?}").contains("7900"));
}

#[tokio::test]
async fn an_html_error_page_is_shown_as_a_short_text() {
    let server = MockServer::start().await;
    let page = format!(
        "<html><head><title>502 Bad Gateway</title></head><body>{}</body></html>",
        "x".repeat(5000)
    );
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(502).set_body_raw(page, "text/html"))
        .mount(&server)
        .await;
    let error = client(&server.uri()).account().get().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "account.get: amoCRM answered 502: 502 Bad Gateway"
    );
}

#[tokio::test]
async fn an_account_is_reached_by_its_own_name_through_a_proxy_and_a_private_ca() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = amocrm_emulator::Emulator::builder()
        .tls_dir(folder.path())
        .start()
        .await
        .unwrap();
    let known = emulator.credentials();
    let through = |ca: Option<Vec<u8>>| {
        let builder = Client::builder(&known.subdomain)
            .proxy(emulator.base_url())
            .long_lived_token(emulator.long_lived_token())
            .retry(RetryPolicy::none());
        ca.into_iter()
            .fold(builder, ClientBuilder::root_certificate)
            .build()
            .unwrap()
    };
    let pem = std::fs::read(known.ca_file.as_ref().unwrap()).unwrap();
    let account = through(Some(pem)).account().get().await.unwrap();
    assert_eq!(account.subdomain, known.subdomain);
    let request = &emulator.requests()[0];
    assert_eq!(request.host, format!("{}.amocrm.ru", known.subdomain));
    assert!(request.source.starts_with("proxy"), "{}", request.source);

    // Without the CA nothing of the request is shown to anybody.
    let error = through(None).account().get().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Connect, Delivery::NotSent)
    );
}

#[tokio::test]
async fn the_token_goes_to_no_host_that_a_path_names() {
    let stranger = MockServer::start().await;
    let client = Client::builder("acme.amocrm.ru")
        .long_lived_token("the-token")
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let host = stranger.address().to_string();
    for path in [format!("http://{host}/api/v4/leads"), host, String::new()] {
        let request = Request::get(Operation::idempotent("leads.list"), path);
        let error = client.send(request).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery(), error.operation()),
            (
                ErrorKind::InvalidInput,
                Delivery::NotSent,
                Some("leads.list")
            )
        );
    }
    assert!(stranger.received_requests().await.unwrap().is_empty());
}
