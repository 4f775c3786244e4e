//! The page for people.

use reqwest::Method;
use serde_json::Value;

use super::harness::{Answer, Gateway, on_each};

const EVIL: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";

fn checked(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    for forbidden in [
        "<script",
        "<img",
        "<style",
        " style=",
        "onerror=alert(2)>",
        "javascript:",
    ] {
        assert!(
            !answer.text.contains(forbidden),
            "{forbidden}: {}",
            answer.text
        );
    }
    &answer.text
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_webhook_the_page_says_so_and_what_to_do() {
    let gateway = Gateway::at_rest().await;
    let russian = gateway.get("/dashboard?lang=ru").await;
    for text in [
        "Вебхуков пока нет",
        "Подписчиков пока нет",
        "Таких событий нет",
        "Ничего такого нет",
        "subscribers add",
    ] {
        assert!(checked(&russian).contains(text), "{text}: {}", russian.text);
    }
    let english = gateway.get("/dashboard?lang=en&days=30").await;
    for text in [
        "No webhooks yet",
        "There are no subscribers yet",
        "Nothing was given up",
    ] {
        assert!(checked(&english).contains(text), "{text}: {}", english.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_tell_what_happened_in_both_languages_and_let_nothing_in() {
    on_each(false, async |gateway| {
    gateway.subscribe("crm").await;
    gateway.subscribe("site").await;
    let encoded: String = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let body = format!(
        "account[id]=1&leads[add][0][id]=4&leads[add][0][name]={encoded}&leads[add][0][tags][0][name]={encoded}"
    );
    let id = gateway
        .webhook("main", body.as_bytes(), Some(EVIL))
        .await
        .remove(0);
    gateway.deliver("site").await;
    gateway.fail("crm", EVIL).await;
    let dead = gateway.lead(5, "status").await;
    gateway.bury("site", EVIL).await;
    gateway
        .webhook("main", format!("leads[add]=%ZZ{EVIL}").as_bytes(), None)
        .await;

    let overview = |language| format!("/dashboard?lang={language}&days=7");
    let russian = gateway.get(&overview("ru")).await;
    for text in [
        "<html lang=\"ru\">",
        "пауза",
        "leads/4",
        "leads.status",
        "нужен человек",
        "Повторить",
        "Не доставлено",
    ] {
        assert!(checked(&russian).contains(text), "{text}: {}", russian.text);
    }
    let english = gateway.get(&overview("en")).await;
    for text in [
        "<html lang=\"en\">",
        "paused",
        "leads/4",
        "somebody has to look",
        "Retry",
        "&#60;script&#62;",
    ] {
        assert!(checked(&english).contains(text), "{text}: {}", english.text);
    }
    let event = gateway
        .get(&format!("/dashboard/events/{id}?lang=en"))
        .await;
    for text in [
        &id,
        "the receiver answered 500",
        "&#60;script&#62;",
        "Deliver again",
        "leads[add][0][id]=4",
        "failed 500",
        "delivered 200",
    ] {
        assert!(checked(&event).contains(text), "{text}: {}", event.text);
    }
    let event = gateway
        .get(&format!("/dashboard/events/{dead}?lang=ru"))
        .await;
    assert!(checked(&event).contains("Доставить снова"));
    let subscriber = gateway.get("/dashboard/subscribers/crm?lang=en").await;
    for text in [
        "http://127.0.0.1:9",
        "Resume",
        "Failed attempts",
        "&#60;script&#62;",
    ] {
        assert!(
            checked(&subscriber).contains(text),
            "{text}: {}",
            subscriber.text
        );
    }
    let requests = gateway.get("/api/requests?unparsed=true").await.json();
    if let Some(id) = requests["requests"][0]["id"].as_i64() {
        let request = gateway
            .get(&format!("/dashboard/requests/{id}?lang=ru"))
            .await;
        assert!(checked(&request).contains("Что не так"));
    }
    // What a reader types comes back as text.
    let path = "/dashboard?type=%22%3E%3Cscript%3E&done=%3Cscript%3E";
    assert!(checked(&gateway.get(path).await).contains("Таких событий нет"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_do_what_they_say() {
    let gateway = Gateway::at_rest().await;
    gateway.subscribe("crm").await;
    let id = gateway.lead(1, "add").await;
    gateway.deliver("crm").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let press = async |path: &str, body: &str| {
        let answer = gateway.send(Method::POST, path, &form, body).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        let back = answer.headers["location"].to_str().unwrap().to_owned();
        let page = gateway.get(&back).await;
        assert_eq!(page.status, 200, "{back}");
        page.text
    };
    let replay = format!("/dashboard/events/{id}/replay?lang=en");
    assert!(
        press(&replay, "subscriber=")
            .await
            .contains("in the queue again")
    );
    assert!(
        press(&replay, "subscriber=crm")
            .await
            .contains("nobody to deliver it to")
    );
    gateway.bury("crm", "no").await;
    let letters = gateway.get("/api/dead-letters").await.json();
    let retry = format!(
        "/dashboard/dead-letters/{}/retry?lang=en",
        letters["dead_letters"][0]["id"]
    );
    press(&retry, "").await;
    assert_eq!(
        gateway.get("/api/dead-letters").await.json()["dead_letters"],
        Value::Array(Vec::new())
    );
    press(&retry, "").await;
    gateway.bury("crm", "no").await;
    let path = |action| format!("/dashboard/subscribers/crm/{action}?lang=en");
    assert!(
        press(&path("retry"), "")
            .await
            .contains("in the queue again")
    );
    assert!(press(&path("test"), "").await.contains("gateway.test"));
    assert!(
        press(&path("resume"), "")
            .await
            .contains("Deliveries go on")
    );
    assert_eq!(
        gateway.get("/api/subscribers/crm").await.json()["state"],
        "active"
    );
    assert!(press(&path("pause"), "").await.contains("Deliveries pause"));
    let unknown = gateway
        .send(Method::POST, &path("explode"), &form, "")
        .await;
    assert_eq!(unknown.status, 404);
}
