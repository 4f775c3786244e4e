//! Webhooks that were kept because nobody understood them are read again by a version that does.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::harness::{Gateway, on_each};

const PATH: &str = "/api/replay/unread";

fn leads(ids: &[u32]) -> String {
    let items = ids
        .iter()
        .enumerate()
        .map(|(place, id)| format!("leads[add][{place}][id]={id}"));
    items.collect::<Vec<_>>().join("&")
}

/// What came, in order: of what, and in which webhook.
async fn events(gateway: &Gateway) -> Vec<(String, i64)> {
    let store = gateway.app.store().gateway();
    let rows = store.events_after(0, 100).await.unwrap().into_iter();
    rows.filter_map(|row| Some((row.subject?, row.request)))
        .collect()
}

async fn is_problem(gateway: &Gateway, request: i64) -> bool {
    let store = gateway.app.store().gateway();
    let row = store.request(request).await.unwrap().unwrap();
    row.problem.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_webhooks_are_read_again_once_and_bring_only_what_is_new() {
    on_each(false, async |gateway| {
        gateway.subscribe("log").await;
        let whole = gateway.half_read("main", &leads(&[1, 2]), "").await;
        let half = gateway
            .half_read("main", &leads(&[3, 44, 3]), &leads(&[3]))
            .await;
        let broken = gateway
            .half_read("main", "leads[add][0][name]=Ann", "")
            .await;
        let gone = gateway.half_read("gone", &leads(&[555]), "").await;

        let dry = gateway.post(PATH, &json!({"dry_run": true})).await;
        assert_eq!(dry.status, StatusCode::OK);
        let told = |webhooks, events, unread, is_dry| -> Value {
            json!({"webhooks": webhooks, "events": events, "duplicates": 0, "unread": unread, "dry_run": is_dry})
        };
        assert_eq!(dry.json(), told(2, 3, 2, true));
        assert_eq!(events(&gateway).await, [("leads/3".to_owned(), half)]);

        let first = gateway.post(PATH, &json!({"limit": 1})).await;
        assert_eq!(first.status, StatusCode::ACCEPTED);
        assert_eq!(first.json(), told(1, 2, 0, false));
        assert_eq!(
            gateway.post(PATH, &json!({})).await.json(),
            told(1, 1, 2, false)
        );
        assert_eq!(
            gateway.post(PATH, &json!({})).await.json(),
            told(0, 0, 2, false)
        );
        let expected = [
            ("leads/3", half),
            ("leads/1", whole),
            ("leads/2", whole),
            ("leads/44", half),
        ];
        let expected = expected.map(|(subject, request)| (subject.to_owned(), request));
        assert_eq!(events(&gateway).await, expected);
        let jobs = gateway.app.store().jobs();
        assert_eq!(jobs.stats("gateway/log").await.unwrap().depth, 4);
        for (request, is_left) in [(whole, false), (half, false), (broken, true), (gone, true)] {
            assert_eq!(is_problem(&gateway, request).await, is_left, "{request}");
        }
        let wrong = gateway.post(PATH, &json!({"limit": 0})).await;
        assert_eq!(wrong.wrong_fields(), ["limit"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_not_understood_is_no_reason_to_pass_over_its_repetition() {
    on_each(false, async |gateway| {
        let body = leads(&[1, 2]);
        gateway.half_read("main", &body, "").await;
        assert_eq!(events(&gateway).await, []);
        gateway.half_read("main", &body, &body).await;
        assert_eq!(events(&gateway).await.len(), 2);
    })
    .await;
}
