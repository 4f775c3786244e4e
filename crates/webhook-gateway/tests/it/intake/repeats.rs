//! F19: what comes again makes no event again.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::world::{FORM, Place, SECRET, World, moved};

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_and_the_same_six_days_later_are_one_event() {
    for place in [Some(Place::sqlite()), Place::postgres().await]
        .into_iter()
        .flatten()
    {
        let world = World::start(&place).await;
        let body = moved(40_000_001, 1);
        let answers = join_all((0..64).map(|_| world.webhook(body.clone()))).await;
        let new: u64 = answers.iter().map(|answer| answer.counts().0).sum();
        assert_eq!(new, 1);
        world.pass(TimeDelta::days(6));
        assert_eq!(world.webhook(body.clone()).await.counts(), (0, 1));
        // In another order, and as JSON.
        let reordered: Vec<_> = body.split('&').rev().collect();
        assert_eq!(world.webhook(reordered.join("&")).await.counts(), (0, 1));
        let json = r#"{"account":{"id":31000001,"subdomain":"acme-demo"},"leads":{"status":[{"id":40000001,
            "status_id":142,"old_status_id":60000002,"pipeline_id":7000001,"price":1500,"updated_at":1769000001}]}}"#;
        let path = format!("/webhooks/amocrm/{SECRET}");
        let answer = world
            .post(&path, &[("content-type", "application/json")], json)
            .await;
        assert_eq!(answer.counts(), (0, 1));
        assert_eq!(world.events().await.len(), 1);
        // Another second, or another value, is another event; and after the window nobody remembers.
        assert_eq!(world.webhook(moved(40_000_001, 2)).await.counts(), (1, 0));
        let dearer = body.replace("price]=1500", "price]=1501");
        assert_eq!(world.webhook(dearer).await.counts(), (1, 0));
        world.pass(TimeDelta::days(9));
        assert_eq!(world.webhook(body).await.counts(), (1, 0));
        world.stop().await;
        place.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_time_is_remembered_for_as_long_as_amocrm_repeats() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let body =
        "leads[delete][0][id]=7&leads[delete][0][status_id]=143&leads[delete][0][pipeline_id]=1";
    assert_eq!(world.webhook(body).await.counts(), (1, 0));
    world.pass(TimeDelta::minutes(95));
    assert_eq!(world.webhook(body).await.counts(), (0, 1));
    // Deleted, restored, and deleted again on another day.
    world.pass(TimeDelta::hours(3));
    assert_eq!(world.webhook(body).await.counts(), (1, 0));
    // The same request is a repeat however late it comes.
    let path = format!("/webhooks/amocrm/{SECRET}");
    let headers = [
        ("content-type", FORM),
        ("x-amocrm-requestid", "0b2c9a52-6d0f-4f6e-9a31-8f3f6b6f8f01"),
    ];
    let body = body.replace("=7&", "=8&");
    assert_eq!(
        world.post(&path, &headers, body.clone()).await.counts(),
        (1, 0)
    );
    world.pass(TimeDelta::hours(5));
    assert_eq!(world.post(&path, &headers, body).await.counts(), (0, 1));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_again_after_it_was_restored_is_news() {
    for place in [Some(Place::sqlite()), Place::postgres().await]
        .into_iter()
        .flatten()
    {
        let world = World::start(&place).await;
        let body = |action: &str, lead: u64| {
            format!("leads[{action}][0][id]={lead}&leads[{action}][0][pipeline_id]=1")
        };
        for (action, lead, is_new) in [
            ("delete", 7, true),
            ("delete", 7, false),
            // What happens to another deal says nothing of this one.
            ("restore", 8, true),
            ("delete", 7, false),
            ("restore", 7, true),
            ("restore", 7, false),
            ("delete", 7, true),
            ("delete", 7, false),
            ("restore", 7, true),
            ("restore", 8, false),
        ] {
            let expected = if is_new { (1, 0) } else { (0, 1) };
            let counts = world.webhook(body(action, lead)).await.counts();
            assert_eq!(counts, expected, "{action} {lead}");
        }
        assert_eq!(world.events().await.len(), 5);
        world.stop().await;
        place.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_is_no_repetition_of_the_first() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let path = format!("/webhooks/amocrm/{SECRET}");
    let post = async |body: &str, request: &str| {
        let headers = [("content-type", FORM), ("x-amocrm-requestid", request)];
        world.post(&path, &headers, body.to_owned()).await.counts()
    };
    // These tell no time: a new request is a new event, the same request is not.
    for action in [
        "call_in",
        "mail_in",
        "chat",
        "site_visit",
        "status",
        "delete",
    ] {
        let body = format!(
            "leads[{action}][0][id]=7&leads[{action}][0][pipeline_id]=1&leads[{action}][0][status_id]=2"
        );
        let reordered: Vec<_> = body.split('&').rev().collect();
        let [first, second] = [1, 2].map(|number| format!("{action}-{number}"));
        assert_eq!(post(&body, &first).await, (1, 0), "{action}");
        assert_eq!(post(&body, &second).await, (1, 0), "{action}");
        assert_eq!(post(&body, &first).await, (0, 1), "{action}");
        let reordered = reordered.join("&");
        assert_eq!(post(&reordered, &second).await, (0, 1), "{action}");
    }
    // A body that tells its time is the same event in any request.
    let moved = moved(7, 1);
    assert_eq!(post(&moved, "moved-1").await, (1, 0));
    assert_eq!(post(&moved, "moved-2").await, (0, 1));
    // Without the name of a request nothing tells a second call from a repetition of the first: both are delivered.
    let call = "leads[call_in][0][id]=8&leads[call_in][0][pipeline_id]=1";
    assert_eq!(world.webhook(call).await.counts(), (1, 0));
    assert_eq!(world.webhook(call).await.counts(), (1, 0));
    world.stop().await;
}
