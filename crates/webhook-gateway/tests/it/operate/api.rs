//! The administrator's API, as stories.

use reqwest::Method;
use serde_json::{Value, json};

use super::harness::{Gateway, on_each};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_nowhere_else() {
    let gateway = Gateway::at_rest().await;
    let first = gateway.subscribe("crm").await;
    assert!(first.starts_with("whsec_"));
    gateway.lead(1, "add").await;
    gateway.fail("crm", "no").await;
    let rotated = gateway
        .post(
            "/api/subscribers/crm/rotate-secret",
            &json!({"keep_old_hours": 1}),
        )
        .await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(rotated.json()["secrets"], 2);
    assert!(rotated.json()["old_secret_until"].is_string());
    // With an overlap of none, the old ones are void at once.
    let again = gateway
        .post(
            "/api/subscribers/crm/rotate-secret",
            &json!({"keep_old_hours": 0}),
        )
        .await;
    assert_eq!(again.json()["secrets"], 1, "{}", again.text);
    let third = again.json()["secret"].as_str().unwrap().to_owned();

    for path in [
        "/api/subscribers",
        "/api/subscribers/crm",
        "/api/events",
        "/api/stats",
        "/api/dead-letters",
        "/dashboard",
        "/dashboard/subscribers/crm",
        "/metrics",
        "/health",
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for secret in [&first, &second, &third] {
            let bare = secret.trim_start_matches("whsec_");
            assert!(!answer.text.contains(bare), "{path}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_lives_from_its_making_to_its_end() {
    let gateway = Gateway::at_rest().await;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = json!({
        "name": "crm", "url": "https://crm.example.ru/hook", "events": ["leads.*"], "secret": own, "concurrency": 2
    });
    let made = gateway.post("/api/subscribers", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["secret"], own);
    assert_eq!(made.json()["source"], "api");
    assert_eq!(gateway.post("/api/subscribers", &body).await.status, 409);

    let changed = gateway
        .call(
            Method::PUT,
            "/api/subscribers/crm",
            &json!({"url": "https://crm.example.ru/hook2"}),
        )
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let shown = gateway.get("/api/subscribers/crm").await.json();
    assert_eq!(shown["settings"]["url"], "https://crm.example.ru/hook2");
    assert_eq!(shown["settings"]["events"], json!(["*"]));
    assert_eq!(shown["secrets"], 1, "settings do not touch secrets");

    for (action, state) in [("pause", "paused"), ("resume", "active")] {
        let path = format!("/api/subscribers/crm/{action}");
        let answer = gateway.post(&path, &Value::Null).await;
        assert_eq!(answer.json()["state"], state);
    }
    let list = gateway.get("/api/subscribers").await.json();
    assert_eq!(list["subscribers"].as_array().unwrap().len(), 1);
    let gone = gateway
        .send(Method::DELETE, "/api/subscribers/crm", &[], "")
        .await;
    assert_eq!(gone.status, 204);
    for (method, path) in [
        (Method::GET, "/api/subscribers/crm"),
        (Method::DELETE, "/api/subscribers/crm"),
        (Method::POST, "/api/subscribers/crm/pause"),
        (Method::POST, "/api/subscribers/crm/test"),
        (Method::GET, "/api/events/evt_none"),
        (Method::GET, "/api/events/evt_none/body"),
        (Method::GET, "/api/requests/99"),
        (Method::GET, "/dashboard/events/evt_none"),
    ] {
        let answer = gateway.send(method, path, &[], "").await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_field() {
    let gateway = Gateway::at_rest().await;
    for (body, fields) in [
        (json!({"url": "https://a.example"}), vec!["name"]),
        (
            json!({"name": "a b", "url": "https://a.example"}),
            vec!["name"],
        ),
        (json!({"name": "a"}), vec!["url"]),
        (
            json!({"name": "a", "url": "ftp://a.example", "events": ["leads"]}),
            vec!["url", "events.0"],
        ),
        (
            json!({"name": "a", "ulr": "https://a.example"}),
            vec!["ulr"],
        ),
        (
            json!({"name": "a", "url": "https://a.example", "concurrency": "many"}),
            vec!["concurrency"],
        ),
        (
            json!({"name": "a", "url": "https://a.example", "secret": "short"}),
            vec!["secret"],
        ),
        (
            json!({"name": "a", "url": "https://a.example", "headers": {"Authorization": "Bearer x"}}),
            vec!["headers.Authorization"],
        ),
    ] {
        let answer = gateway.post("/api/subscribers", &body).await;
        assert_eq!(answer.wrong_fields(), fields, "{body}: {}", answer.text);
        assert!(!answer.text.contains("Bearer x"));
    }
    for (body, field) in [
        (json!({}), "events"),
        (
            json!({"events": ["evt_1"], "since": "2026-01-01T00:00:00Z"}),
            "events",
        ),
        (
            json!({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
            "until",
        ),
        (json!({"dead_letters": true, "limit": 0}), "limit"),
    ] {
        let answer = gateway.post("/api/replay", &body).await;
        assert_eq!(answer.wrong_fields(), [field], "{body}");
    }
    for path in [
        "/api/events?since=yesterday",
        "/api/stream?events=leads",
        "/api/stream?since=yesterday",
        "/api/stats?days=0",
        "/api/dead-letters?since=x",
        "/dashboard?days=x",
    ] {
        assert_eq!(gateway.get(path).await.wrong_fields().len(), 1, "{path}");
    }
    assert_eq!(
        gateway
            .post("/api/dead-letters/retry", &json!({}))
            .await
            .wrong_fields(),
        ["ids"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_page_by_page_by_what_is_known_of_them() {
    on_each(false, async |gateway| {
    gateway.subscribe("crm").await;
    let mut ids = Vec::new();
    for lead in 1..=5 {
        ids.push(gateway.lead(lead, "status").await);
    }
    let added = gateway.lead(3, "add").await;
    let contact = b"account[id]=5&account[subdomain]=other&contacts[add][0][id]=7&contacts[add][0][type]=contact";
    let other = gateway.webhook("second", contact, None).await.remove(0);
    ids.extend([added.clone(), other.clone()]);

    let find = async |query: &str| -> Vec<String> {
        let answer = gateway.get(&format!("/api/events?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let page = answer.json();
        let events = page["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(find("account=second").await, [other.as_str()]);
    assert_eq!(find("type=leads.add").await, [added.as_str()]);
    assert_eq!(
        find("subject=leads/3").await,
        [added.clone(), ids[2].clone()]
    );
    assert_eq!(
        find("subject=leads/3&type=leads.status").await,
        [ids[2].clone()]
    );
    assert_eq!(find("subscriber=crm&limit=250").await.len(), 7);
    assert_eq!(find("subscriber=nobody").await.len(), 0);
    assert_eq!(find("since=1h&account=main").await.len(), 6);
    assert_eq!(find("until=1h").await.len(), 0);
    assert_eq!(find("type=%27%20OR%201=1").await.len(), 0);

    // Page by page, new events between them change nothing.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = gateway
            .get(&format!("/api/events?limit=2{after}"))
            .await
            .json();
        for event in page["events"].as_array().unwrap() {
            seen.push(event["id"].as_str().unwrap().to_owned());
        }
        gateway
            .lead(100 + u32::try_from(seen.len()).unwrap(), "add")
            .await;
        match page["next"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    ids.reverse();
    assert_eq!(seen, ids);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_given_back_byte_for_byte_and_never_shown_as_a_page() {
    on_each(false, async |gateway| {
        let body = "account[id]=1&leads[add][0][id]=4&leads[add][0][name]=%D1%82\u{20}%3Cscript%3E"
            .as_bytes();
        let id = gateway
            .webhook("main", body, Some("text/html"))
            .await
            .remove(0);
        let given = gateway.get(&format!("/api/events/{id}/body")).await;
        assert_eq!(given.status, 200, "{}", given.text);
        assert_eq!(given.bytes, body);
        assert_eq!(given.headers["content-type"], "text/html");
        let disposition = given.headers["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment"), "{disposition}");
        let policy = given.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("sandbox"), "{policy}");

        // What cannot be read is kept as well.
        let broken = b"leads[add][0][id]=%ZZ&\xff\x00<b>";
        assert!(gateway.webhook("main", broken, None).await.is_empty());
        let page = gateway.get("/api/requests?unparsed=true").await.json();
        let requests = page["requests"].as_array().unwrap();
        assert_eq!(requests.len(), 1, "{page}");
        assert!(requests[0]["problem"].is_string());
        assert_eq!(requests[0]["bytes"], broken.len());
        let path = format!("/api/requests/{}/body", requests[0]["id"]);
        let given = gateway.get(&path).await;
        assert_eq!(given.bytes, broken);
        assert_eq!(given.headers["content-type"], "application/octet-stream");
        assert_eq!(
            gateway.get("/api/requests").await.json()["requests"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_one_entity_go_back_in_the_order_in_which_they_came() {
    let gateway = Gateway::at_rest().await;
    gateway.subscribe("crm").await;
    let first = gateway.lead(1, "add").await;
    gateway.lead(1, "update").await;
    for _ in 0..2 {
        gateway.bury("crm", "the receiver refused it").await;
    }
    let letters = gateway.get("/api/dead-letters?subscriber=crm").await.json();
    let letters = letters["dead_letters"].as_array().unwrap();
    let mut ids: Vec<i64> = letters
        .iter()
        .map(|letter| letter["id"].as_i64().unwrap())
        .collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    let retried = gateway
        .post("/api/dead-letters/retry", &json!({ "ids": ids }))
        .await;
    assert_eq!(retried.json()["count"], 2, "{}", retried.text);
    gateway.deliver("crm").await;
    let path = format!("/api/events/{first}/deliveries");
    let answer = gateway.get(&path).await.json();
    assert_eq!(answer["deliveries"][0]["state"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_told_and_what_was_given_up_is_delivered_again() {
    on_each(false, async |gateway| {
        gateway.subscribe("crm").await;
        let delivered = gateway.lead(1, "add").await;
        gateway.deliver("crm").await;
        let dead = gateway.lead(2, "add").await;
        gateway.bury("crm", "the receiver refused it").await;
        let waiting = gateway.lead(3, "add").await;
        gateway.fail("crm", "try later").await;

        let state = async |id: &str| {
            let answer = gateway
                .get(&format!("/api/events/{id}/deliveries"))
                .await
                .json();
            answer["deliveries"][0].clone()
        };
        assert_eq!(state(&delivered).await["state"], "delivered");
        assert_eq!(state(&delivered).await["attempts"][0]["status"], 200);
        assert_eq!(state(&dead).await["state"], "dead");
        let pending = state(&waiting).await;
        assert_eq!(pending["state"], "pending");
        assert!(pending["next_at"].is_string(), "{pending}");
        assert_eq!(pending["attempts"][0]["response"], "try later");
        assert_eq!(pending["attempts"][0]["outcome"], "failed");
        let detail = gateway.get(&format!("/api/events/{dead}")).await.json();
        assert_eq!(detail["envelope"]["id"], dead);
        assert_eq!(
            detail["deliveries"][0]["attempts"][0]["reason"],
            "the receiver refused it"
        );

        let letters = gateway.get("/api/dead-letters?subscriber=crm").await.json();
        let letter = &letters["dead_letters"][0];
        assert_eq!(letter["event"], dead);
        assert_eq!(letter["subscriber"], "crm");
        let stats = gateway.get("/api/stats").await.json();
        assert_eq!(stats["subscribers"][0]["dead_letters"], 1, "{stats}");
        assert_eq!(stats["subscribers"][0]["delivered"], 1);
        assert_eq!(stats["subscribers"][0]["failed"], 2);
        assert_eq!(stats["subscribers"][0]["waiting"], 1);
        assert_eq!(stats["accounts"][0]["received"], 3);

        let retried = gateway
            .post("/api/dead-letters/retry", &json!({"ids": [letter["id"]]}))
            .await;
        assert_eq!(
            (retried.status.as_u16(), retried.json()["count"].as_u64()),
            (202, Some(1))
        );
        assert_eq!(state(&dead).await["state"], "pending");
        let again = gateway
            .post("/api/dead-letters/retry", &json!({"ids": [letter["id"]]}))
            .await;
        assert_eq!(again.status, 404);
        gateway.bury("crm", "refused again").await;

        // Dry first; then really, under the same id, with what was tried before kept.
        let order = json!({"since": "2020-01-01T00:00:00Z", "subscriber": "crm", "dry_run": true});
        let dry = gateway.post("/api/replay", &order).await;
        assert_eq!(
            (dry.status.as_u16(), dry.json()["dry_run"].as_bool()),
            (200, Some(true))
        );
        assert_eq!(
            dry.json()["count"],
            2,
            "what waits is not doubled: {}",
            dry.text
        );
        assert_eq!(state(&delivered).await["state"], "delivered");
        let real = gateway
            .post("/api/replay", &json!({"events": [delivered]}))
            .await;
        assert_eq!(
            (real.status.as_u16(), real.json()["count"].as_u64()),
            (202, Some(1)),
            "{}",
            real.text
        );
        assert_eq!(state(&delivered).await["state"], "pending");
        gateway.deliver("crm").await;
        assert_eq!(
            state(&delivered).await["attempts"]
                .as_array()
                .unwrap()
                .len(),
            2
        );

        let letters = gateway.get("/api/dead-letters").await.json();
        assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 1);
        let dropped = gateway
            .post("/api/dead-letters/drop", &json!({"all": true}))
            .await;
        assert_eq!(dropped.json()["count"], 1);
        let stats = gateway.get("/api/stats").await.json();
        assert_eq!(stats["subscribers"][0]["dead_letters"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_takes_the_way_of_all_events_to_one_subscriber() {
    let gateway = Gateway::at_rest().await;
    gateway.subscribe("crm").await;
    gateway.subscribe("other").await;
    let sent = gateway
        .post("/api/subscribers/crm/test", &Value::Null)
        .await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let id = sent.json()["event"].as_str().unwrap().to_owned();
    gateway.deliver("crm").await;
    let detail = gateway.get(&format!("/api/events/{id}")).await.json();
    assert_eq!(detail["type"], "gateway.test");
    assert_eq!(detail["envelope"]["id"], id);
    let deliveries = detail["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["state"], "delivered");
}
