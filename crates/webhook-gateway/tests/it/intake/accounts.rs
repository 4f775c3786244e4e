//! Several accounts behind one gateway, each at its own address.

use serde_json::{Value, json};
use sha2::Sha256;

use super::world::{FORM, Place, SECRET, World, eventually, moved};

const SHOP: &str = "shop-shop-shop-shop";
const SCHOOL: &str = "school-school-school";
const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
/// The vector of `01-auth-limits-webhooks.md` §1.11.
const INTEGRATION_SECRET: &str = "demo-integration-secret";
const SIGNATURE: &str = "71ee26197c8420797266dbd73b770ab37423b91d21b007df215ecf3543c750f2";

async fn start(place: &Place) -> World {
    let file = place.write(
        "gateway.toml",
        &format!(
            r#"
            [[account]]
            name = "shop"
            secret = "{SHOP}"
            account_id = 31000001
            domain = "shop.amocrm.ru"
            client_id = "{CLIENT}"
            client_secret = "{INTEGRATION_SECRET}"
            redirect_uri = "https://gw.example.ru/api/auth/amo/callback"

            [[account]]
            name = "school"
            secret_env = "SCHOOL_SECRET"

            [[subscriber]]
            name = "log"
            stdout = true
            accounts = ["shop"]
            "#
        ),
    );
    World::start_with(
        place,
        &[("GATEWAY_FILE", file.as_str()), ("SCHOOL_SECRET", SCHOOL)],
    )
    .await
}

async fn post(world: &World, secret: &str, body: &str) -> super::world::Answer {
    let path = format!("/webhooks/amocrm/{secret}");
    world
        .post(&path, &[("content-type", FORM)], body.to_owned())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_accounts_webhooks_come_to_its_own_address_and_are_its_own() {
    let place = Place::sqlite();
    let world = start(&place).await;
    let body = moved(40_000_001, 1);
    assert_eq!(post(&world, SHOP, &body).await.counts(), (1, 0));
    // The same event of another account is another event.
    assert_eq!(post(&world, SCHOOL, &body).await.counts(), (1, 0));
    let accounts: Vec<_> = world
        .events()
        .await
        .into_iter()
        .map(|event| event.account)
        .collect();
    assert_eq!(accounts, ["shop", "school"]);
    // A subscriber of the one gets nothing of the other.
    let mut filter = store::EventFilter::default();
    (filter.subscriber, filter.limit) = (Some("log".to_owned()), 10);
    let routed = world.store().gateway().events(filter).await.unwrap();
    assert_eq!(routed.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_about_another_account_is_kept_and_goes_to_nobody() {
    let place = Place::sqlite();
    let world = start(&place).await;
    let answer = post(&world, SHOP, "account[id]=31000002&leads[add][0][id]=1").await;
    assert_eq!(answer.status, 200);
    let receipt = answer.json();
    assert_eq!(receipt["events"], 0);
    let problem = receipt["problem"].as_str().unwrap();
    assert!(
        problem.contains("31000002") && problem.contains("31000001"),
        "{problem}"
    );
    let request = receipt["request"].as_i64().unwrap();
    let kept = world
        .store()
        .gateway()
        .request(request)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.problem.as_deref(), Some(problem));
    // Nobody knows the number of this account.
    assert_eq!(
        post(&world, SCHOOL, "account[id]=31000002&leads[add][0][id]=1")
            .await
            .counts(),
        (1, 0)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_connected_later_is_told_from_others_although_nothing_is_watched() {
    let place = Place::sqlite();
    let settings = [("GATEWAY_WEBHOOK_SECRET", SECRET), ("PUBLIC_URL", "")];
    let world = World::start_with(&place, &settings).await;
    let foreign = |lead: u64| format!("account[id]=31000002&leads[add][0][id]={lead}");
    assert_eq!(world.webhook(foreign(1)).await.counts(), (1, 0));
    // As consent in a browser does, in this or another process.
    let number = 31_000_001_u64;
    let meta = world.store().meta();
    meta.put("amocrm.account_id", &number).await.unwrap();
    let lead = std::sync::atomic::AtomicU64::new(2);
    eventually("webhooks of another account are told", || async {
        let lead = lead.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let answer = world.webhook(foreign(lead)).await.json();
        let problem = answer["problem"].as_str()?.to_owned();
        problem.contains("31000001").then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_was_switched_off_is_an_event_if_amocrm_signed_it() {
    let place = Place::sqlite();
    let world = start(&place).await;
    let path = |secret: &str, account: u64, signature: &str| {
        format!(
            "/webhooks/amocrm/{secret}/disabled?account_id={account}&client_uuid={CLIENT}&signature={signature}"
        )
    };
    for (query, status) in [
        (path(SHOP, 31_000_001, &"00".repeat(32)), 403),
        (path(SHOP, 31_000_002, SIGNATURE), 403),
        (path("wrong-wrong-wrong-wrong", 31_000_001, SIGNATURE), 404),
        // Its integration's keys are not known here.
        (path(SCHOOL, 31_000_001, SIGNATURE), 403),
        (format!("/webhooks/amocrm/{SHOP}/disabled"), 400),
    ] {
        assert_eq!(world.get(&query).await.status, status, "{query}");
    }
    // Right for another account than that of the address.
    let other = sign(31_000_002);
    assert_eq!(world.get(&path(SHOP, 31_000_002, &other)).await.status, 403);
    assert_eq!(world.events().await.len(), 0);
    assert_eq!(sign(31_000_001), SIGNATURE);
    assert_eq!(
        world.get(&path(SHOP, 31_000_001, SIGNATURE)).await.counts(),
        (1, 0)
    );
    // Sent again, by POST, and as a HEAD of a curious proxy, which gets no more than the page.
    let again = world
        .post(&path(SHOP, 31_000_001, SIGNATURE), &[], "")
        .await;
    assert_eq!(again.counts(), (0, 1));
    let events = world.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "integration.disabled");
    let envelope: Value = serde_json::from_str(&events[0].envelope).unwrap();
    assert_eq!(envelope["type"], "amocrm.integration.disabled.v1");
    assert_eq!(envelope["data"]["object"], json!({"client_uuid": CLIENT}));
    assert_eq!(envelope["data"]["account"]["id"], "31000001");
    // The signature could be used again: it is not kept.
    let kept = world
        .store()
        .gateway()
        .request(events[0].request)
        .await
        .unwrap();
    let body = kept.unwrap().body.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("signature"));
    world.stop().await;
}

fn sign(account: u64) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};

    let mut mac = Hmac::<Sha256>::new_from_slice(INTEGRATION_SECRET.as_bytes()).unwrap();
    mac.update(format!("{CLIENT}|{account}").as_bytes());
    let signature = mac.finalize().into_bytes();
    service_kit::hex(&signature)
}
