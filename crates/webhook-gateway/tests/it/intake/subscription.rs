//! The life of our subscription in amoCRM.

use amocrm_emulator::Emulator;
use serde_json::{Value, json};
use webhook_gateway::{Choice, Status, Subscribe};

use super::world::{Answer, Place, SECRET, World, eventually};

struct Crm {
    emulator: Emulator,
    token: String,
}

impl Crm {
    async fn start() -> Self {
        let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
        let token = emulator.long_lived_token();
        Self { emulator, token }
    }

    async fn world(&self, place: &Place, more: &[(&str, &str)]) -> World {
        let base = self.emulator.base_url().to_owned();
        let mut settings = vec![
            ("GATEWAY_WEBHOOK_SECRET", SECRET),
            ("AMOCRM_BASE_URL", base.as_str()),
            ("AMOCRM_ACCESS_TOKEN", self.token.as_str()),
        ];
        settings.extend(more);
        World::start_with(place, &settings).await
    }

    async fn call(&self, world: &World, method: reqwest::Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.emulator.base_url());
        let request = world.http.request(method, url).bearer_auth(&self.token);
        let answer = Answer::of(request.body(body.to_string())).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    async fn hooks(&self, world: &World) -> Vec<Value> {
        let found = self
            .call(world, reqwest::Method::GET, "/api/v4/webhooks", Value::Null)
            .await;
        found["_embedded"]["webhooks"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// So many deals are made, each by a webhook.
    async fn make_deals(&self, world: &World, many: usize) {
        let deals: Vec<_> = (0..many)
            .map(|number| json!({"name": format!("Deal {number}")}))
            .collect();
        self.call(world, reqwest::Method::POST, "/api/v4/leads", json!(deals))
            .await;
    }
}

async fn subscribe(world: &World, events: Option<&str>) -> String {
    let mut out = Vec::new();
    let arguments = Subscribe {
        events: events.map(str::to_owned),
        ..Subscribe::default()
    };
    world.app.subscribe(&arguments, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn status(world: &World) -> (bool, String) {
    let mut out = Vec::new();
    let is_well = world
        .app
        .status(&Status::default(), &mut out)
        .await
        .unwrap();
    (is_well, String::from_utf8(out).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_is_seen_undone_and_repeated_without_harm() {
    let crm = Crm::start().await;
    let place = Place::sqlite();
    let world = crm.world(&place, &[]).await;
    assert!(!status(&world).await.0);
    let said = subscribe(&world, None).await;
    assert!(
        said.contains("main: ") && said.contains("/webhooks/amocrm/… subscribed"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");
    let hooks = crm.hooks(&world).await;
    assert_eq!(hooks.len(), 1);
    let destination = format!("{}/webhooks/amocrm/{SECRET}", world.url);
    assert_eq!(hooks[0]["destination"], destination);
    assert!(hooks[0]["settings"].as_array().unwrap().len() > 30);
    assert!(subscribe(&world, None).await.contains("is subscribed"));
    let (is_well, said) = status(&world).await;
    assert!(
        is_well && said.contains("active: amoCRM sends") && !said.contains(SECRET),
        "{said}"
    );
    crm.make_deals(&world, 3).await;
    eventually("three events arrive", || async {
        (world.events().await.len() == 3).then_some(())
    })
    .await;
    // Fewer events.
    subscribe(&world, Some("status_lead")).await;
    let hooks = crm.hooks(&world).await;
    assert_eq!(
        (hooks.len(), &hooks[0]["settings"]),
        (1, &json!(["status_lead"]))
    );
    let (is_well, said) = status(&world).await;
    assert!(!is_well && said.contains("lacking"), "{said}");
    let mut out = Vec::new();
    world
        .app
        .unsubscribe(&Choice::default(), &mut out)
        .await
        .unwrap();
    assert_eq!(crm.hooks(&world).await.len(), 0);
    world
        .app
        .unsubscribe(&Choice::default(), &mut out)
        .await
        .unwrap();
    let said = String::from_utf8(out).unwrap();
    assert!(
        said.contains("unsubscribed") && said.contains("was not subscribed"),
        "{said}"
    );
    let unknown = Choice {
        account: Some("shop".to_owned()),
    };
    let error = world
        .app
        .unsubscribe(&unknown, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no account `shop`; there are main"),
        "{error}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_amocrm_switched_off_is_switched_on_again_and_told() {
    let crm = Crm::start().await;
    let place = Place::sqlite();
    // Nobody listens there: amoCRM gets no answer at all.
    let away = [
        ("PUBLIC_URL", "http://127.0.0.1:9"),
        ("GATEWAY_WATCH_MINUTES", "0"),
    ];
    let world = crm.world(&place, &away).await;
    subscribe(&world, None).await;
    crm.make_deals(&world, 110).await;
    eventually("amoCRM switches the webhook off", || async {
        (crm.hooks(&world).await[0]["disabled"] == true).then_some(())
    })
    .await;
    let (is_well, said) = status(&world).await;
    assert!(!is_well && said.contains("disabled"), "{said}");
    world.stop().await;
    // Whoever watches mends it, and says so.
    let watcher = crm
        .world(
            &place,
            &[
                ("PUBLIC_URL", "http://127.0.0.1:9"),
                ("GATEWAY_WATCH_MINUTES", "1"),
            ],
        )
        .await;
    eventually("the watch switches it on again", || async {
        let hooks = crm.hooks(&watcher).await;
        (hooks.len() == 1 && hooks[0]["disabled"] == false).then_some(())
    })
    .await;
    let part = eventually("health tells of it", || async {
        let report = watcher.get("/health").await.json();
        let parts = report["parts"].as_array().unwrap().clone();
        let part = parts
            .into_iter()
            .find(|part| part["name"] == "subscription")?;
        (part["status"] == "ok" && part["figures"]["active"] == 1.0).then_some(part)
    })
    .await;
    assert!(
        part["detail"].as_str().unwrap().contains("amoCRM sends"),
        "{part}"
    );
    let metrics = watcher.get("/metrics").await.text.clone();
    assert!(
        metrics.contains("gateway_subscription_disabled_total{account=\"main\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("gateway_subscription_active{account=\"main\"} 1"),
        "{metrics}"
    );
    watcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_secret_has_an_address_made_from_the_key() {
    let crm = Crm::start().await;
    let place = Place::sqlite();
    let base = crm.emulator.base_url().to_owned();
    let settings = [
        ("AMOCRM_BASE_URL", base.as_str()),
        ("AMOCRM_ACCESS_TOKEN", crm.token.as_str()),
    ];
    let world = World::start_with(&place, &settings).await;
    let mut out = Vec::new();
    let arguments = Status {
        address: true,
        ..Status::default()
    };
    world.app.status(&arguments, &mut out).await.unwrap();
    let said = String::from_utf8(out).unwrap();
    let secret = said
        .lines()
        .next()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    assert!(secret.len() >= 32, "{said}");
    let path = format!("/webhooks/amocrm/{secret}");
    let form = [("content-type", super::world::FORM)];
    assert_eq!(
        world
            .post(&path, &form, super::world::moved(1, 1))
            .await
            .counts(),
        (1, 0)
    );
    // Half of it opens nothing.
    let half = format!("/webhooks/amocrm/{}", &secret[..32]);
    assert_eq!(world.post(&half, &form, "a=1").await.status, 404);
    subscribe(&world, None).await;
    assert_eq!(
        crm.hooks(&world).await[0]["destination"],
        format!("{}{path}", world.url)
    );
    world.stop().await;
}
