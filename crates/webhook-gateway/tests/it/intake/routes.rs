//! Whoever subscribes gets every event from then on, on every instance.

use serde_json::{Value, json};
use store::{NewSubscriber, SubscriberSource, job_kind};

use super::world::{Place, World, moved};

async fn subscribe(world: &World, name: &str, more: Value) {
    let mut settings = json!({"stdout": true});
    let more = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(more);
    let new = NewSubscriber::new(name, SubscriberSource::Api, settings);
    world.store().gateway().put_subscriber(new).await.unwrap();
}

/// How many deliveries were made for a subscriber, whatever became of them.
async fn routed(world: &World, name: &str) -> usize {
    let mut filter = store::EventFilter::default();
    (filter.subscriber, filter.limit) = (Some(name.to_owned()), 1_000);
    world.store().gateway().events(filter).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_misses_a_subscriber_that_was_made_on_another_instance() {
    for place in [Some(Place::sqlite()), Place::postgres().await]
        .into_iter()
        .flatten()
    {
        let one = World::start(&place).await;
        assert_eq!(one.webhook(moved(1, 0)).await.counts(), (1, 0));
        // SQLite is for one process; two handles of one are as far apart.
        let other = World::start(&place).await;
        for round in 1..=20 {
            let name = format!("s{round}");
            subscribe(&other, &name, json!({})).await;
            // Its snapshot is older than this subscriber.
            assert_eq!(one.webhook(moved(1, round)).await.counts(), (1, 0));
            assert_eq!(routed(&one, &name).await, 1, "{name}");
        }
        assert_eq!(routed(&one, "s1").await, 20);
        one.stop().await;
        other.stop().await;
        place.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_by_event_pipeline_stage_and_changed_field() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    subscribe(&world, "all", json!({})).await;
    subscribe(&world, "leads", json!({"events": ["leads.*"]})).await;
    subscribe(&world, "contacts", json!({"events": ["contacts.*"]})).await;
    subscribe(&world, "won", json!({"stages": [142]})).await;
    subscribe(&world, "other-pipeline", json!({"pipelines": [7]})).await;
    subscribe(&world, "other-account", json!({"accounts": ["shop"]})).await;
    subscribe(&world, "price", json!({"changed": ["price"]})).await;
    subscribe(&world, "phone", json!({"changed": ["custom:PHONE"]})).await;
    let contact = |phone: &str, second: i64| {
        format!(
            "contacts[update][0][id]=5&contacts[update][0][type]=contact&contacts[update][0][updated_at]={second}\
             &contacts[update][0][custom_fields][0][id]=9&contacts[update][0][custom_fields][0][code]=PHONE\
             &contacts[update][0][custom_fields][0][values][0][value]={phone}"
        )
    };
    for body in [
        // Nothing was seen before: everything is a change.
        moved(1, 0),
        // The same price, then another one.
        moved(1, 1),
        moved(1, 2).replace("price]=1500", "price]=1600"),
        contact("7", 1_769_000_000),
        contact("7", 1_769_000_001),
        contact("8", 1_769_000_002),
    ] {
        assert_eq!(world.webhook(body).await.counts(), (1, 0));
    }
    for (name, expected) in [
        ("all", 6),
        ("leads", 3),
        ("contacts", 3),
        ("won", 3),
        ("other-pipeline", 0),
        ("other-account", 0),
        // A contact that has no price has not changed it; a deal that has no phone neither.
        ("price", 2),
        ("phone", 2),
    ] {
        assert_eq!(routed(&world, name).await, expected, "{name}");
    }
    // Somebody nobody could read is not forgotten.
    let odd = NewSubscriber::new("newer", SubscriberSource::Api, json!({"telepathy": true}));
    world.store().gateway().put_subscriber(odd).await.unwrap();
    assert_eq!(world.webhook(moved(1, 3)).await.counts(), (1, 0));
    let waiting = world
        .store()
        .jobs()
        .stats(&job_kind("newer"))
        .await
        .unwrap();
    assert_eq!(waiting.depth, 1);
    world.stop().await;
}
