//! F24: the clocks of machines differ; leases, schedules and pauses go by the database's.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Reaction, Receiver, TestClock, TestDatabase, TestGateway, eventually};

fn clock(minutes: i64) -> TestClock {
    let clock = TestClock::new();
    clock.advance(TimeDelta::minutes(minutes));
    clock
}

/// More than the failures that open a circuit.
const LEADS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_brings_no_attempt_forward_and_puts_none_off() {
    for minutes in [-10, 10] {
        let Some(database) = TestDatabase::postgres().await else {
            return;
        };
        let gateway = TestGateway::start_skewed(&database, &clock(minutes)).await;
        let receiver = Receiver::start(&TestClock::new()).await;
        receiver.behave(|_, before| Reaction::Status(if before == 0 { 500 } else { 204 }));
        gateway.subscribe("crm", &receiver.url, json!({})).await;
        for lead in LEADS {
            gateway.accept(lead, 0, &["crm"]).await;
        }
        eventually("its circuit opens", || async {
            gateway.circuit("crm").await.open_until
        })
        .await;
        let opened = Instant::now();
        eventually("an event comes once more", || async {
            let arrivals = receiver.arrivals();
            let ids: BTreeSet<_> = arrivals.iter().map(|arrival| &arrival.id).collect();
            (arrivals.len() > ids.len()).then_some(())
        })
        .await;
        // The first pause of a circuit is 5 s, and so is that of an event.
        let waited = opened.elapsed();
        assert!(waited > Duration::from_secs(3), "{minutes}: {waited:?}");
        eventually("everything is taken, in time", || async {
            (receiver.taken().len() == LEADS.len()).then_some(())
        })
        .await;
        gateway.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_ahead_of_the_others_takes_nothing_out_of_their_hands() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let behind = TestGateway::start_skewed(&database, &clock(-60)).await;
    let receiver = Receiver::start(&TestClock::new()).await;
    receiver.behave(|_, _| Reaction::Later(Duration::from_secs(2), 204));
    behind.subscribe("crm", &receiver.url, json!({})).await;
    for lead in LEADS {
        behind.accept(lead, 0, &["crm"]).await;
    }
    eventually("it has them in its hands", || async {
        (receiver.arrivals().len() >= 4).then_some(())
    })
    .await;
    // By its own clock all their leases have ended long ago.
    let ahead = TestGateway::start_skewed(&database, &clock(60)).await;
    for number in 1..3 {
        for lead in LEADS {
            ahead.accept(lead, number, &["crm"]).await;
        }
    }
    eventually("everything is taken", || async {
        (receiver.taken().len() == LEADS.len() * 3).then_some(())
    })
    .await;
    assert_eq!(receiver.arrivals().len(), LEADS.len() * 3, "each once");
    receiver.assert_order();
    behind.stop().await;
    ahead.stop().await;
    database.drop_schema().await;
}
