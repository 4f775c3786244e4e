//! What is promised about deliveries, whatever the receivers do.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::json;
use store::{
    Attempt, AttemptOutcome, CircuitStep, DeadLetterFilter, Next, SubscriberState, job_kind,
};

use crate::harness::{Reaction, Receiver, TestClock, TestGateway, databases, eventually};

const OLD: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const NEW: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

#[tokio::test]
async fn every_event_arrives_in_the_order_of_its_entity_although_deliveries_fail() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        // Every third event is refused at first, one in seven twice.
        receiver.behave(|arrival, before| {
            let sum: u32 = arrival.id.bytes().map(u32::from).sum();
            let refusals = usize::from(sum.is_multiple_of(3)) + usize::from(sum.is_multiple_of(7));
            Reaction::Status(if before < refusals { 422 } else { 204 })
        });
        let gateway = TestGateway::start(&database, &clock).await;
        gateway
            .subscribe("crm", &receiver.url, json!({ "concurrency": 8 }))
            .await;
        let mut sent = Vec::new();
        for number in 0..6 {
            let entities = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
            let events = entities.map(|entity| (entity, number));
            sent.extend(gateway.accept_all(&events, &["crm"]).await);
        }
        gateway.runs_empty("crm").await;
        receiver.assert_order();
        let mut taken = receiver.taken();
        taken.sort();
        sent.sort();
        assert_eq!(taken, sent);
        assert_eq!(gateway.queue("crm").await, (0, 0));
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn a_subscriber_that_hangs_costs_its_neighbour_nothing() {
    for database in databases().await {
        let clock = TestClock::new();
        let (stuck, lively) = (Receiver::start(&clock).await, Receiver::start(&clock).await);
        stuck.behave(|_, _| Reaction::Hang);
        let gateway = TestGateway::start(&database, &clock).await;
        let patient = json!({ "timeout_ms": 300_000 });
        gateway.subscribe("stuck", &stuck.url, patient).await;
        gateway.subscribe("lively", &lively.url, json!({})).await;
        for entity in 0..50 {
            gateway
                .accept(&entity.to_string(), 0, &["stuck", "lively"])
                .await;
        }
        eventually("the lively one has everything", || async {
            (lively.taken().len() == 50).then_some(())
        })
        .await;
        // No more than it has hands for.
        assert!(stuck.arrivals().len() <= 4);
        assert_eq!(gateway.queue("stuck").await, (50, 0));
        // And what it has in hand is given back at once when the process ends.
        gateway.stop().await;
        stuck.behave(|_, _| Reaction::Status(204));
        let gateway = TestGateway::start(&database, &clock).await;
        eventually("another process delivers", || async {
            (stuck.taken().len() == 50).then_some(())
        })
        .await;
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn an_outcome_that_comes_after_the_claim_has_ended_is_refused() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        let gateway = TestGateway::start(&database, &clock).await;
        gateway.subscribe("crm", &receiver.url, json!({})).await;
        gateway.set_state("crm", SubscriberState::Paused).await;
        // A process that froze with the claim in its hand.
        let id = gateway.accept("1", 0, &["crm"]).await;
        let frozen = gateway.store.jobs().worker("frozen");
        let minute = Duration::from_mins(1);
        let job = frozen
            .claim(&[&job_kind("crm")], 1, minute)
            .await
            .unwrap()
            .remove(0);
        gateway.accept("1", 1, &["crm"]).await;
        gateway.set_state("crm", SubscriberState::Active).await;
        clock.advance(TimeDelta::seconds(61));
        gateway.runs_empty("crm").await;
        receiver.assert_order();
        assert_eq!(receiver.taken()[0], id);
        assert_eq!(receiver.taken().len(), 2);
        // It wakes up, and says that it failed.
        let reason = "too late".to_owned();
        let late = Attempt {
            subscriber: "crm".to_owned(),
            event: job.payload().unwrap(),
            started_at: service_kit::clock::Clock::now(&clock),
            duration: minute,
            outcome: AttemptOutcome::Failed {
                status: None,
                reason: reason.clone(),
            },
            response_excerpt: None,
            is_probe: false,
        };
        let ack = gateway
            .store
            .gateway()
            .record(&job, late, Next::Dead { reason }, CircuitStep::Unchanged)
            .await
            .unwrap();
        assert!(!ack.is_recorded());
        assert_eq!(gateway.queue("crm").await, (0, 0));
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn two_processes_share_a_subscriber_and_keep_the_order() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        let one = TestGateway::start(&database, &clock).await;
        one.subscribe("crm", &receiver.url, json!({})).await;
        let other = TestGateway::start(&database, &clock).await;
        for number in 0..20 {
            let events = ["1", "2", "3", "4"].map(|entity| (entity, number));
            one.accept_all(&events, &["crm"]).await;
        }
        one.runs_empty("crm").await;
        receiver.assert_order();
        assert_eq!(receiver.arrivals().len(), 80, "each once");
        // One of them goes; nothing is left behind, nothing is doubled.
        one.stop().await;
        let events = ["1", "2", "3", "4"].map(|entity| (entity, 20));
        other.accept_all(&events, &["crm"]).await;
        other.runs_empty("crm").await;
        assert_eq!(receiver.arrivals().len(), 84);
        other.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_and_probed_by_one_event() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        receiver.behave(|_, _| Reaction::Status(503));
        let gateway = TestGateway::start(&database, &clock).await;
        gateway.subscribe("crm", &receiver.url, json!({})).await;
        for entity in 0..30 {
            gateway.accept(&entity.to_string(), 0, &["crm"]).await;
        }
        eventually("the circuit opens", || async {
            gateway.circuit("crm").await.is_open().then_some(())
        })
        .await;
        let tried = |receiver: &Receiver| receiver.arrivals().len();
        // Five failures open it, and at most three more were on their way.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = tried(&receiver);
        assert!((5..=8).contains(&before), "{before}");
        // After the pause one event goes, and finds it as it was.
        clock.advance(TimeDelta::seconds(6));
        eventually("a probe", || async {
            (tried(&receiver) > before).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(tried(&receiver), before + 1);
        receiver.behave(|_, _| Reaction::Status(204));
        gateway.runs_empty("crm").await;
        assert!(!gateway.circuit("crm").await.is_open());
        assert_eq!(receiver.taken().len(), 30);
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn a_receiver_that_throttles_is_obeyed_and_loses_no_attempt() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        let wait = || Reaction::With(429, "retry-after", "3600".to_owned());
        receiver.behave(move |_, _| wait());
        let gateway = TestGateway::start(&database, &clock).await;
        gateway
            .subscribe("crm", &receiver.url, json!({ "concurrency": 1 }))
            .await;
        gateway.accept("1", 0, &["crm"]).await;
        gateway.accept("2", 0, &["crm"]).await;
        eventually("it was asked", || async {
            receiver.arrivals().first().cloned()
        })
        .await;
        let its_pause = async || {
            eventually("the pause", || async {
                let now = service_kit::clock::Clock::now(&clock);
                let until = gateway.circuit("crm").await.open_until;
                until.is_some_and(|until| until > now).then_some(())
            })
            .await;
        };
        // Far more often than there are attempts.
        for asked in 1..14 {
            its_pause().await;
            clock.advance(TimeDelta::minutes(59));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(
                receiver.arrivals().len(),
                asked,
                "before the time it asked for"
            );
            clock.advance(TimeDelta::minutes(9));
            eventually(&format!("it is asked again after {asked}"), || async {
                (receiver.arrivals().len() > asked).then_some(())
            })
            .await;
        }
        // Or the last of these answers would ask for its hour after the time has passed.
        its_pause().await;
        receiver.behave(|_, _| Reaction::Status(204));
        clock.advance(TimeDelta::hours(2));
        gateway.runs_empty("crm").await;
        assert_eq!(gateway.queue("crm").await, (0, 0));
        assert_eq!(receiver.taken().len(), 2);
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn gone_disables_the_subscriber_and_its_events_wait_for_a_person() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        receiver.behave(|_, _| Reaction::Status(410));
        let gateway = TestGateway::start(&database, &clock).await;
        gateway
            .subscribe("crm", &receiver.url, json!({ "concurrency": 1 }))
            .await;
        for number in 0..3 {
            gateway.accept("1", number, &["crm"]).await;
        }
        eventually("it is disabled", || async {
            matches!(gateway.state("crm").await, SubscriberState::Disabled { .. }).then_some(())
        })
        .await;
        let asked = receiver.arrivals().len();
        clock.advance(TimeDelta::days(30));
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(receiver.arrivals().len(), asked);
        receiver.behave(|_, _| Reaction::Status(204));
        gateway.set_state("crm", SubscriberState::Active).await;
        gateway.runs_empty("crm").await;
        receiver.assert_order();
        assert_eq!(receiver.taken().len(), 3);
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let [database, ..] = &databases().await[..] else {
        unreachable!("there is SQLite everywhere");
    };
    let clock = TestClock::new();
    let (receiver, elsewhere) = (Receiver::start(&clock).await, Receiver::start(&clock).await);
    let target = elsewhere.url.clone();
    receiver.behave(move |_, before| match before {
        0 => Reaction::With(301, "location", target.clone()),
        _ => Reaction::Status(204),
    });
    let gateway = TestGateway::start(database, &clock).await;
    gateway.subscribe("crm", &receiver.url, json!({})).await;
    gateway.accept("1", 0, &["crm"]).await;
    gateway.runs_empty("crm").await;
    assert_eq!(receiver.arrivals().len(), 2);
    assert!(elsewhere.arrivals().is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn an_event_that_is_never_taken_is_given_up_and_its_entity_goes_on() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        receiver.behave(|arrival, _| Reaction::Status(if arrival.number == 1 { 422 } else { 204 }));
        let gateway = TestGateway::start(&database, &clock).await;
        let skipping = json!({ "on_failure": "skip", "skip_after": "10m" });
        gateway.subscribe("skips", &receiver.url, skipping).await;
        for number in 0..4 {
            gateway.accept("1", number, &["skips"]).await;
        }
        eventually("the rest arrives", || async {
            clock.advance(TimeDelta::seconds(5));
            (receiver.taken().len() == 3).then_some(())
        })
        .await;
        gateway.runs_empty("skips").await;
        assert_eq!(gateway.queue("skips").await, (0, 1));
        let filter = DeadLetterFilter::kind(job_kind("skips"));
        let letter = gateway
            .store
            .jobs()
            .dead_letters(filter)
            .await
            .unwrap()
            .remove(0);
        assert!(
            letter.reason.starts_with("skipped after 4"),
            "{}",
            letter.reason
        );
        assert_eq!(
            letter.last_error.unwrap(),
            "answered 422 Unprocessable Entity"
        );
        // A person has mended the receiver and sends it again: the same id.
        receiver.behave(|_, _| Reaction::Status(204));
        assert!(gateway.store.jobs().replay(letter.id).await.unwrap());
        gateway.runs_empty("skips").await;
        assert_eq!(receiver.taken()[3], "evt_1_1");
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn an_event_at_which_the_receiver_breaks_is_given_up_after_its_schedule() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        let status = |entity: &str| if entity == "leads/1" { 500 } else { 204 };
        receiver.behave(move |arrival, _| Reaction::Status(status(&arrival.subject)));
        let gateway = TestGateway::start(&database, &clock).await;
        gateway.subscribe("crm", &receiver.url, json!({})).await;
        gateway.accept("1", 0, &["crm"]).await;
        gateway.accept("1", 1, &["crm"]).await;
        // Neighbours pass all the time.
        for number in 0_u64.. {
            gateway.accept("2", number, &["crm"]).await;
            let passed = usize::try_from(number).unwrap() + 1;
            eventually("the neighbour passes", || async {
                (receiver.taken().len() == passed).then_some(())
            })
            .await;
            if gateway.queue("crm").await == (0, 2) {
                break;
            }
            assert!(number < 200, "it is tried for ever");
            clock.advance(TimeDelta::hours(2));
        }
        for event in ["evt_1_0", "evt_1_1"] {
            // What was recorded: where the clock leaps over the end of a claim, the event is sent once more.
            let deliveries = gateway.store.gateway().deliveries(event).await.unwrap();
            assert_eq!(deliveries[0].tried, 10, "{event}");
        }
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn while_a_secret_is_changed_receivers_with_the_old_and_the_new_one_are_content() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        receiver.trust(&[OLD, NEW]);
        let gateway = TestGateway::start(&database, &clock).await;
        gateway.subscribe("crm", &receiver.url, json!({})).await;
        let secrets = gateway.store.gateway();
        let signed = |number| {
            let receiver = &receiver;
            async move {
                gateway_takes(receiver, number).await;
                receiver.arrivals()[number].signed_by.clone()
            }
        };
        let day = Duration::from_hours(24);
        let old = SecretString::from(OLD);
        assert!(
            secrets
                .rotate_secret("crm", old, Duration::ZERO)
                .await
                .unwrap()
        );
        tokio::time::sleep(Duration::from_millis(900)).await;
        gateway.accept("1", 0, &["crm"]).await;
        assert_eq!(signed(0).await, [0]);
        assert!(secrets.rotate_secret("crm", NEW.into(), day).await.unwrap());
        // Known within a second.
        tokio::time::sleep(Duration::from_millis(900)).await;
        gateway.accept("1", 1, &["crm"]).await;
        assert_eq!(signed(1).await, [0, 1]);
        clock.advance(TimeDelta::hours(25));
        gateway.accept("1", 2, &["crm"]).await;
        assert_eq!(signed(2).await, [1]);
        gateway.stop().await;
        database.drop_schema().await;
    }
}

async fn gateway_takes(receiver: &Receiver, number: usize) {
    eventually("it arrives", || async {
        (receiver.taken().len() > number).then_some(())
    })
    .await;
}

#[tokio::test]
async fn changes_of_the_subscribers_are_known_within_a_second() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        let gateway = TestGateway::start(&database, &clock).await;
        gateway.subscribe("late", &receiver.url, json!({})).await;
        gateway.accept("1", 0, &["late"]).await;
        gateway_takes(&receiver, 0).await;
        gateway.set_state("late", SubscriberState::Paused).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        gateway.accept("1", 1, &["late"]).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(receiver.arrivals().len(), 1);
        gateway.set_state("late", SubscriberState::Active).await;
        gateway_takes(&receiver, 1).await;
        // It moves to another address, with a header.
        let moved = Receiver::start(&clock).await;
        let headers = json!({ "headers": { "x-team": "sales" } });
        gateway.subscribe("late", &moved.url, headers).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        gateway.accept("1", 2, &["late"]).await;
        gateway_takes(&moved, 0).await;
        assert_eq!(moved.arrivals()[0].headers["x-team"], "sales");
        assert_eq!(receiver.arrivals().len(), 2);
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn an_endpoint_that_has_only_failed_for_days_is_disabled() {
    for database in databases().await {
        let clock = TestClock::new();
        let receiver = Receiver::start(&clock).await;
        receiver.behave(|_, _| Reaction::Status(500));
        let gateway = TestGateway::start(&database, &clock).await;
        // One at a time: outcomes that are recorded together would be of before the leaps of the clock, one for each, and then
        // the next would come after days of silence.
        let stubborn = json!({ "retry_hours": 720, "concurrency": 1 });
        gateway.subscribe("crm", &receiver.url, stubborn).await;
        // An event every 12 hours. The first failure that is 120 hours after the first one is the last.
        let mut tried = 0;
        for entity in 0..=10 {
            // Before time passes: what was put off is due then, and its failure counts too.
            assert!(gateway.state("crm").await.is_active(), "{entity}");
            clock.advance(TimeDelta::hours(12));
            gateway.accept(&entity.to_string(), 0, &["crm"]).await;
            tried = eventually("it fails again", || async {
                let failures = gateway.circuit("crm").await.failures;
                (failures > tried).then_some(failures)
            })
            .await;
        }
        eventually("it is disabled", || async {
            (!gateway.state("crm").await.is_active()).then_some(())
        })
        .await;
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test]
async fn a_private_address_gets_no_packet_without_permission() {
    let [database, ..] = &databases().await[..] else {
        unreachable!("there is SQLite everywhere");
    };
    let clock = TestClock::new();
    let receiver = Receiver::start(&clock).await;
    let gateway = TestGateway::start(database, &clock).await;
    let forbidden = json!({ "allow_private": false, "retry_hours": 1 });
    // A name is resolved and then refused; a number is refused as it is written.
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    gateway
        .subscribe("number", &receiver.url, forbidden.clone())
        .await;
    gateway.subscribe("name", &by_name, forbidden).await;
    gateway.accept("1", 0, &["number", "name"]).await;
    for name in ["number", "name"] {
        let error = eventually("it was refused", || async {
            gateway.circuit(name).await.last_error
        })
        .await;
        assert!(error.contains("refused"), "{error}");
    }
    assert!(receiver.arrivals().is_empty());
    gateway.stop().await;
    // Permission for a network is permission for its addresses.
    let settings = [("GATEWAY_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128")];
    let gateway = TestGateway::start_with(database, &clock, &settings).await;
    gateway.runs_empty("number").await;
    assert_eq!(receiver.taken().len(), 1);
    gateway.stop().await;
}
