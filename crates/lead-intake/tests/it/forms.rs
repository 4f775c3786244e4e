//! A page's plain HTML form, without a script.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, TestApp, TestDatabase};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);
const RUSSIAN: (&str, &str) = ("accept-language", "ru-RU,ru;q=0.9,en;q=0.8");
const ENGLISH: (&str, &str) = ("accept-language", "en-GB,en;q=0.9");
const REFERER: (&str, &str) = ("referer", "https://www.example.ru/villas?utm_source=x");
const GOOD: &str = "name=Anna&phone=%2B79001234567";

async fn start(settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![
        ("INTAKE_SHORT_WAIT_MS", "0"),
        (
            "FRONTEND_URL",
            "https://www.example.ru, http://localhost:3000",
        ),
    ];
    all.extend_from_slice(settings);
    TestApp::start(TestDatabase::sqlite(), &all).await
}

async fn post(app: &TestApp, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![FORM];
    all.extend_from_slice(headers);
    app.send(Method::POST, "/api/leads", &all, body).await
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.headers["location"].to_str().unwrap()
}

async fn leads(app: &TestApp) -> usize {
    app.get("/api/leads").await.json()["leads"]
        .as_array()
        .unwrap()
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_thanks_in_its_language_and_a_script_sees_json() {
    let app = start(&[]).await;
    let russian = post(&app, &[BROWSER, RUSSIAN, REFERER], GOOD).await;
    assert_eq!(russian.status, 202);
    assert!(
        russian.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        russian.text.contains("Спасибо!") && russian.text.contains("lang=\"ru\""),
        "{}",
        russian.text
    );
    assert!(
        russian.text.contains("https://www.example.ru/villas"),
        "the way back"
    );
    let policy = russian.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let english = post(&app, &[BROWSER, ENGLISH], "phone=%2B79001234568").await;
    assert!(
        english.text.contains("Thank you!") && !english.text.contains("href"),
        "{}",
        english.text
    );
    for page in [&russian, &english] {
        assert!(
            !page.text.contains("7900123") && !page.text.contains("Anna"),
            "{}",
            page.text
        );
    }
    let script = post(&app, &[("accept", "*/*")], "phone=%2B79001234569").await;
    assert_eq!(script.json()["delivery"]["state"], "queued");
    assert_eq!(leads(&app).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_only_to_pages_of_our_sites_and_no_lead_is_lost_for_it() {
    let app = start(&[]).await;
    let form = |to: &str, number: u32| {
        let to: String = form_urlencoded(to);
        format!("phone=%2B7900123{number:04}&_redirect={to}")
    };
    let mut number = 0;
    for (to, expected) in [
        (
            "https://www.example.ru/thanks",
            "https://www.example.ru/thanks",
        ),
        (
            "http://localhost:3000/ok?from=form",
            "http://localhost:3000/ok?from=form",
        ),
        // A path is one of the form's own site.
        ("/thanks", "https://www.example.ru/thanks"),
        ("thanks#top", "https://www.example.ru/thanks#top"),
    ] {
        number += 1;
        // Whether or not it says that it is a browser: the form asks for it.
        let answer = post(&app, &[REFERER], &form(to, number)).await;
        assert_eq!(location(&answer), expected, "{to}");
        assert_eq!(answer.text, "");
    }
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
        "https://www.example.ru@evil.example/",
        "https://user:pass@www.example.ru/",
        "https://www.example.ru.evil.example/",
        "http://www.example.ru/",
        "https://www.example.ru:8443/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://www.example.ru\r\nset-cookie: a=b",
    ] {
        number += 1;
        let answer = post(&app, &[REFERER], &form(elsewhere, number)).await;
        let goes_to = answer
            .headers
            .get("location")
            .map(|it| it.to_str().unwrap());
        let is_ours = goes_to
            .is_some_and(|to| to.starts_with("https://www.example.ru/") && answer.status == 303);
        assert!(
            is_ours || answer.status == 202,
            "{elsewhere}: {} {goes_to:?}",
            answer.status
        );
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(leads(&app).await, usize::try_from(number).unwrap());
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_say_where_to_go_when_the_form_does_not() {
    let app = start(&[
        ("INTAKE_FORM_REDIRECT", "https://thanks.example.ru/ok"),
        (
            "INTAKE_FORM_ERROR_REDIRECT",
            "https://thanks.example.ru/sorry?from=form",
        ),
    ])
    .await;
    assert_eq!(
        location(&post(&app, &[BROWSER], GOOD).await),
        "https://thanks.example.ru/ok"
    );
    let wrong = post(
        &app,
        &[BROWSER],
        "name=Anna&phone=12&email=anna%40&custom_fields[Anna]=1",
    )
    .await;
    assert_eq!(
        location(&wrong),
        "https://thanks.example.ru/sorry?from=form&error=email%2Cphone"
    );
    let form = "phone=12&_error_redirect=https%3A%2F%2Fwww.example.ru%2Fagain";
    let wrong = post(&app, &[BROWSER], form).await;
    assert_eq!(location(&wrong), "https://www.example.ru/again?error=phone");
    // A script handles answers itself.
    assert_eq!(post(&app, &[], "phone=12").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_shown_to_the_visitor_without_repeating_what_he_wrote() {
    let app = start(&[("INTAKE_RATE_LIMIT", "2/min")]).await;
    let wrong = "name=%3Cscript%3Ealert(1)%3C%2Fscript%3E&phone=12345canary&email=canary%40&\
                 custom_fields[%3Cb%3E]=a&custom_fields[%3Cb%3E][]=b&tags=x";
    let page = post(&app, &[BROWSER, RUSSIAN, REFERER], wrong).await;
    assert_eq!(page.status, 422);
    assert!(
        page.text.contains("Заявка не отправлена") && page.text.contains("Телефон"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("canary") && !page.text.contains("<script"),
        "{}",
        page.text
    );
    assert!(page.text.contains("https://www.example.ru/villas"));
    let long = format!("phone=%2B79001234567&comment={}", "x".repeat(70_000));
    let page = post(&app, &[BROWSER, ENGLISH], &long).await;
    assert_eq!(page.status, 413);
    assert!(page.text.contains("too long"), "{}", page.text);

    let visitor = ("x-forwarded-for", "192.0.2.1");
    for _ in 0..2 {
        post(&app, &[BROWSER, visitor], "phone=1").await;
    }
    let page = post(&app, &[BROWSER, RUSSIAN, visitor], GOOD).await;
    assert_eq!(page.status, 429);
    assert!(page.headers.contains_key("retry-after"));
    assert!(page.text.contains("Слишком много заявок"), "{}", page.text);
    assert_eq!(leads(&app).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_is_one_lead_and_a_shared_token_keeps_people_apart() {
    let app = start(&[]).await;
    let (first, second) = tokio::join!(post(&app, &[], GOOD), post(&app, &[], GOOD));
    assert_eq!(first.id(), second.id(), "a double click");
    assert_eq!(leads(&app).await, 1);
    let changed = post(&app, &[], "name=Anna&phone=%2B79001234567&comment=and").await;
    assert_ne!(changed.id(), first.id());

    // A page from a cache gives everybody the same token.
    let anna = post(&app, &[], "phone=%2B79001110001&_token=static").await;
    let boris = post(&app, &[], "phone=%2B79001110002&_token=static").await;
    let again = post(&app, &[], "phone=%2B79001110001&_token=static").await;
    assert_ne!(anna.id(), boris.id());
    assert_eq!(
        (again.id(), &again.headers["idempotency-replayed"]),
        (anna.id(), &"true".parse().unwrap())
    );
    // A new token is a new wish.
    let later = post(&app, &[], "phone=%2B79001110001&_token=other").await;
    assert_ne!(later.id(), anna.id());
    // A browser that reloads sees its thanks again.
    let page = post(
        &app,
        &[BROWSER, RUSSIAN],
        "phone=%2B79001110001&_token=other",
    )
    .await;
    assert!(page.text.contains("Спасибо!"));
    assert_eq!(leads(&app).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_sends_with_form_data_is_the_same_form() {
    let app = start(&[]).await;
    let body = "--x\r\ncontent-disposition: form-data; name=\"Name\"\r\n\r\nАнна\r\n\
                --x\r\ncontent-disposition: form-data; name=\"phone\"\r\n\r\n8 (900) 123-45-67\r\n\
                --x\r\ncontent-disposition: form-data; name=\"custom_fields[Budget]\"\r\n\r\n5\r\n\
                --x\r\ncontent-disposition: form-data; name=\"plan\"; filename=\"plan.pdf\"\r\n\
                content-type: application/pdf\r\n\r\n%PDF-1.7\r\n--x--\r\n";
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let answer = app.send(Method::POST, "/api/leads", &multipart, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let lead = app.lead(answer.id()).await;
    assert_eq!(
        (&lead["name"], &lead["phone"], &lead["custom_fields"]),
        (
            &json!("Анна"),
            &json!("+79001234567"),
            &json!({"Budget": ["5"]})
        )
    );
    let broken = app
        .send(Method::POST, "/api/leads", &multipart, "--x\r\n")
        .await;
    assert_eq!(broken.status, 400, "{}", broken.text);
}
