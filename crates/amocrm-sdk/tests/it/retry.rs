//! What is sent again, when, and what the caller is told. Time is paused: every pause is exact.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::leads::{ComplexLead, LeadFilter, NewLead};
use amocrm_sdk::quota::{Limits, PauseReason, Permit, Quota};
use amocrm_sdk::{BoxError, Client, Delivery, ErrorKind, RetryPolicy};
use tokio::time::Instant;

use crate::script::{Answer, Script, dropped, html, json};

const PROBLEM: &str = r#"{"title": "Bad Gateway", "status": 502, "detail": "try later"}"#;

/// A read may be repeated, a create may not.
async fn read(client: &Client) -> Result<(), amocrm_sdk::Error> {
    client.account().get().await.map(drop)
}

async fn create(client: &Client) -> Result<(), amocrm_sdk::Error> {
    client
        .leads()
        .create([NewLead::new().name("one")])
        .await
        .map(drop)
}

fn repeat(answer: fn() -> Answer) -> Script {
    Script::then([], move |_| answer())
}

type Case = (fn() -> Answer, usize, usize, ErrorKind, Delivery);

#[tokio::test(start_paused = true)]
async fn a_429_is_always_repeated_and_a_lost_answer_only_where_it_is_safe() {
    let too_many = || json(429, "{}");
    let server = || json(502, PROBLEM);
    // Answer, requests of a read, requests of a create, kind, delivery of the create.
    let cases: [Case; 4] = [
        (too_many, 4, 4, ErrorKind::RateLimited, Delivery::Answered),
        (server, 4, 1, ErrorKind::Server, Delivery::Unknown),
        (dropped, 4, 1, ErrorKind::Transport, Delivery::Unknown),
        (
            || json(404, "{}"),
            1,
            1,
            ErrorKind::NotFound,
            Delivery::Answered,
        ),
    ];
    for (answer, reads, creates, kind, delivery) in cases {
        let wire = repeat(answer);
        let error = read(&wire.client()).await.unwrap_err();
        assert_eq!((error.kind(), wire.count()), (kind, reads));
        assert_eq!(error.attempts() as usize, reads);

        let wire = repeat(answer);
        let error = create(&wire.client()).await.unwrap_err();
        assert_eq!(
            (error.kind(), wire.count(), error.delivery()),
            (kind, creates, delivery)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn retries_wait_longer_each_time_and_never_past_the_deadline() {
    let wire = repeat(|| json(503, "{}"));
    read(&wire.client()).await.unwrap_err();
    let at: Vec<Instant> = wire.seen().iter().map(|seen| seen.at).collect();
    let pauses: Vec<f64> = at
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    // 1.5 s, 3 s, 6 s, of which the second half is random.
    for (pause, full) in pauses.iter().zip([1.5, 3.0, 6.0]) {
        assert!((full / 2.0..=full + 0.01).contains(pause), "{pauses:?}");
    }

    let wire = repeat(|| json(503, "{}"));
    let client = wire
        .builder()
        .long_lived_token("t")
        .deadline(Duration::from_secs(2))
        .build()
        .unwrap();
    let started = Instant::now();
    read(&client).await.unwrap_err();
    assert!(started.elapsed() <= Duration::from_secs(2));
    assert_eq!(wire.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_400_that_asks_to_retry_is_a_passing_failure() {
    let transient = json(
        400,
        r#"{"title": "Bad Request", "status": 400, "detail": "system error, please retry"}"#,
    );
    let wire = Script::new([transient]);
    read(&wire.client()).await.unwrap();
    assert_eq!(wire.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_every_clone() {
    let wire = Script::new([json(429, r#"{"retry_after": 20}"#)]);
    let client = wire.client();
    let started = Instant::now();
    let first = tokio::spawn({
        let client = client.clone();
        async move { read(&client).await }
    });
    while wire.count() == 0 {
        tokio::task::yield_now().await;
    }
    // The others ask while the pause is in force.
    let others = (0..5).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { read(&client).await })
    });
    for task in others.collect::<Vec<_>>().into_iter().chain([first]) {
        task.await.unwrap().unwrap();
    }
    let early = wire
        .seen()
        .iter()
        .filter(|seen| seen.at - started < Duration::from_secs(20))
        .count();
    assert_eq!((early, wire.count()), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_deadline_fails_now_and_says_how_long() {
    let wire = Script::new([json(429, r#"{"retry_after": 300}"#)]);
    let error = read(&wire.client()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    let after = error.retry_after().unwrap();
    assert!(
        after > Duration::from_secs(290) && after <= Duration::from_mins(5),
        "{after:?}"
    );
    assert_eq!((error.delivery(), wire.count()), (Delivery::NotSent, 1));
}

#[tokio::test(start_paused = true)]
async fn a_block_page_silences_the_client_until_the_pause_ends() {
    let wire = Script::new([html(403)]);
    let client = wire
        .builder()
        .long_lived_token("t")
        .blocked_for(Duration::from_mins(1))
        .build()
        .unwrap();
    let first = read(&client).await.unwrap_err();
    assert_eq!(
        (first.kind(), first.delivery(), first.status()),
        (ErrorKind::Blocked, Delivery::Answered, Some(403))
    );
    for _ in 0..10 {
        let error = create(&client).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Blocked, Delivery::NotSent)
        );
        assert!(error.retry_after().is_some());
    }
    assert_eq!(wire.count(), 1, "a blocked client hammered");
    tokio::time::advance(Duration::from_secs(61)).await;
    read(&client).await.unwrap();

    // A refusal of the API itself is JSON: it concerns one call.
    let wire = Script::new([json(
        403,
        r#"{"title": "Forbidden", "status": 403, "detail": "Insufficient rights"}"#,
    )]);
    let client = wire.client();
    assert_eq!(
        read(&client).await.unwrap_err().kind(),
        ErrorKind::Forbidden
    );
    read(&client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_block_outlasts_a_throttle_and_support_can_end_it() {
    let wire = Script::new([]);
    let client = wire.client();
    client
        .quota()
        .pause(Duration::from_mins(10), PauseReason::Blocked)
        .await
        .unwrap();
    client
        .quota()
        .pause(Duration::from_secs(1), PauseReason::Throttled)
        .await
        .unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::Blocked);
    client.quota().resume().await.unwrap();
    read(&client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn validation_errors_count_items_from_the_first_of_the_call_and_name_what_exists() {
    let created: Vec<_> = (0..250)
        .map(|n| format!(r#"{{"id": {}, "request_id": "{n}"}}"#, 1000 + n))
        .collect();
    let first = format!(r#"{{"_embedded": {{"leads": [{}]}}}}"#, created.join(","));
    let refused = r#"{"validation-errors": [{"request_id": "7", "errors": [
        {"code": "NotSupportedChoice", "path": "custom_fields_values.0.field_id", "detail": "+79001234567"}]}],
        "title": "Bad Request", "status": 400}"#;
    let wire = Script::new([json(200, &first), json(400, refused)]);
    let items = (0..300).map(|n| NewLead::new().name(format!("lead {n}")));
    let error = wire.client().leads().create(items).await.unwrap_err();
    assert_eq!((error.kind(), wire.count()), (ErrorKind::Validation, 2));
    assert_eq!(error.validation_errors()[0].item, Some(257));
    assert_eq!(error.created_ids().len(), 250);
    assert_eq!(error.created_ids()[3], 1003);
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("leads.create") && shown.contains("NotSupportedChoice"),
        "{shown}"
    );
    assert!(
        !shown.contains("79001234567"),
        "a refused value may be somebody's phone: {shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_are_matched_by_request_id_whatever_their_order() {
    let wire = Script::new([json(
        200,
        r#"{"_embedded": {"leads": [{"id": 12, "request_id": "2"}, {"id": 10, "request_id": 0}, {"id": 11, "request_id": "1"}]}}"#,
    )]);
    let created = wire
        .client()
        .leads()
        .create((0..3).map(|_| NewLead::new()))
        .await
        .unwrap();
    assert_eq!(
        created.iter().map(|lead| lead.id.get()).collect::<Vec<_>>(),
        [10, 11, 12]
    );

    let wire = Script::new([json(
        200,
        r#"{"_embedded": {"leads": [{"id": 10, "request_id": "0"}]}}"#,
    )]);
    let error = wire
        .client()
        .leads()
        .create((0..2).map(|_| NewLead::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Decode, Delivery::Answered)
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_the_user_wraps_the_whole_call() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let layer = tower::util::MapRequestLayer::new(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        request
    });
    let wire = Script::new([json(502, PROBLEM)]);
    let client = wire
        .builder()
        .long_lived_token("t")
        .layer(layer)
        .limits(Limits::per_integration(50))
        .retry(RetryPolicy::default().max_retries(1))
        .build()
        .unwrap();
    read(&client).await.unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), wire.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_attempts_and_a_budget_that_hangs() {
    #[derive(Debug)]
    struct Hung {
        asking: bool,
    }

    #[async_trait::async_trait]
    impl Quota for Hung {
        async fn try_acquire(&self) -> Result<Permit, BoxError> {
            if self.asking {
                std::future::pending::<()>().await;
            }
            Ok(Permit::Granted)
        }

        async fn pause(&self, _: Duration, _: PauseReason) -> Result<(), BoxError> {
            std::future::pending().await
        }

        async fn resume(&self) -> Result<(), BoxError> {
            Ok(())
        }
    }

    let two_seconds = Duration::from_secs(2);
    let silent = tower::service_fn(
        |_: http::Request<http_body_util::Full<bytes::Bytes>>| async {
            std::future::pending::<Result<Answer, std::convert::Infallible>>().await
        },
    );
    let started = Instant::now();
    let client = Client::builder("acme")
        .transport(silent)
        .long_lived_token("t")
        .deadline(two_seconds)
        .build()
        .unwrap();
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed(), two_seconds);

    let started = Instant::now();
    let client = Script::new([])
        .builder()
        .quota(Arc::new(Hung { asking: true }))
        .deadline(two_seconds)
        .build()
        .unwrap();
    let error = read(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Store, Delivery::NotSent)
    );
    assert_eq!(started.elapsed(), two_seconds);

    let wire = Script::new([json(429, "{}")]);
    read(
        &wire
            .builder()
            .quota(Arc::new(Hung { asking: false }))
            .build()
            .unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(wire.count(), 2, "the 429 was lost in a database that hangs");
}

#[tokio::test(start_paused = true)]
async fn no_duration_is_too_long() {
    let wire = Script::new([json(429, r#"{"retry_after": 18446744073709551615}"#)]);
    let client = wire.builder().deadline(Duration::MAX).build().unwrap();
    read(&client).await.unwrap();
    assert_eq!(wire.count(), 2);

    let wire = Script::new([html(403)]);
    let client = wire.builder().blocked_for(Duration::MAX).build().unwrap();
    read(&client).await.unwrap_err();
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::Blocked);
}

#[tokio::test(start_paused = true)]
async fn what_earlier_batches_and_attempts_did_is_not_forgotten() {
    let created: Vec<_> = (0..250)
        .map(|n| format!(r#"{{"id": {}, "request_id": "{n}"}}"#, 1000 + n))
        .collect();
    let first = format!(r#"{{"_embedded": {{"leads": [{}]}}}}"#, created.join(","));
    let wire = Script::new([json(200, &first), json(429, r#"{"retry_after": 300}"#)]);
    let error = wire
        .client()
        .leads()
        .create((0..300).map(|_| NewLead::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.created_ids().len()),
        (ErrorKind::RateLimited, 250)
    );
    assert_ne!(error.delivery(), Delivery::NotSent, "250 leads exist");

    let wire = Script::new([dropped(), json(429, r#"{"retry_after": 300}"#)]);
    let error = read(&wire.client()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::RateLimited, Delivery::Unknown)
    );
}

#[tokio::test(start_paused = true)]
async fn items_that_amocrm_folds_into_one_all_get_its_answer() {
    let folded = r#"[{"id": 1, "contact_id": 2, "company_id": null, "request_id": ["0", "1"], "merged": true}]"#;
    let made = Script::new([json(200, folded)])
        .client()
        .leads()
        .create_complex([ComplexLead::new(), ComplexLead::new()]);
    let made = made.await.unwrap();
    assert!(made.len() == 2 && made[0] == made[1] && made[0].merged);

    let short = r#"[{"id": 1, "contact_id": 2, "request_id": ["0"]}]"#;
    let made = Script::new([json(200, short)])
        .client()
        .leads()
        .create_complex([ComplexLead::new(), ComplexLead::new()]);
    let error = made.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.created_ids()),
        (ErrorKind::Decode, &[1][..])
    );
}

#[tokio::test(start_paused = true)]
async fn a_filter_without_alternatives_finds_nothing_and_asks_nothing() {
    let wire = Script::new([]);
    let client = wire.client();
    let found = client
        .leads()
        .list()
        .filter(LeadFilter::new().ids([]))
        .all()
        .await
        .unwrap();
    assert!(
        found.is_empty() && wire.count() == 0,
        "the whole account was read"
    );
}

#[tokio::test(start_paused = true)]
async fn collections_are_read_in_every_spelling_of_nothing_and_streams_end_with_an_error() {
    use futures_util::StreamExt;

    for body in [
        r#"{"_links": {}}"#,
        r#"{"_embedded": null}"#,
        r#"{"_embedded": []}"#,
        r#"{"_embedded": {}}"#,
    ] {
        let wire = Script::new([json(200, body)]);
        assert!(
            wire.client().leads().list().all().await.unwrap().is_empty(),
            "{body}"
        );
    }
    let wire = repeat(|| json(403, r#"{"title": "Forbidden", "status": 403}"#));
    let items = wire
        .client()
        .leads()
        .list()
        .stream()
        .take(100)
        .count()
        .await;
    assert_eq!((items, wire.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_queries_and_no_bodies() {
    let client = Script::new([]).client();
    let list = client.contacts().list().search("79001234567");
    let create = client
        .contacts()
        .create([NewContact::new().name("+79001234567")])
        .into_requests()
        .unwrap();
    let shown = format!("{list:?} {:?} {create:?}", list.clone().into_request(1));
    assert!(!shown.contains("7900"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_was_held_up_until_its_right_to_send_ended_never_leaves() {
    let wire = repeat(|| json(200, r#"{"id": 1, "name": "A", "subdomain": "a"}"#));
    let client = wire
        .builder()
        .limits(Limits::per_integration(1))
        .build()
        .unwrap();
    let ends = Instant::now() + Duration::from_millis(500);
    let held = client.only_while(move || Instant::now() < ends);
    let _ = read(&held).await;
    assert_eq!(wire.count(), 1, "it still holds");
    // The permit comes a second later.
    let error = read(&held).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Deadline, Delivery::NotSent)
    );
    assert_eq!(wire.count(), 1);
    let _ = read(&client).await;
    assert_eq!(wire.count(), 2, "the others go on");
}
