//! The page for people and the figures for programs.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{browser, eventually};

use crate::harness::Academy;

async fn page(academy: &Academy, query: &str, token: Option<&str>) -> String {
    let mut request = browser().get(format!("{}/dashboard{query}", academy.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = answer.text().await.unwrap();
    for forbidden in ["<script", "<img", "<style", " style=", "https://", "@"] {
        assert!(!text.contains(forbidden), "{forbidden}: {text}");
    }
    text
}

async fn figures_when(academy: &Academy, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let is_so = &is_so;
    eventually(what, || async move {
        let (status, figures) = academy.get("/api/stats?days=7").await;
        assert_eq!(status, 200, "{figures}");
        is_so(&figures).then_some(figures)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_lesson_the_page_says_so() {
    let academy = Academy::open().await;
    let russian = page(&academy, "?lang=ru&days=7", None).await;
    for text in [
        "Уроков пока нет",
        "Неудач не было",
        "Ничего такого нет",
        "Никто не ждёт",
        "подключено",
    ] {
        assert!(russian.contains(text), "{text}: {russian}");
    }
    let english = page(&academy, "?lang=en", None).await;
    for text in [
        "No lessons yet",
        "Nothing failed",
        "Nothing was given up",
        "Nobody waits",
    ] {
        assert!(english.contains(text), "{text}: {english}");
    }
    for path in ["/api/stats", "/dashboard"] {
        let (status, answer) = academy.get(&format!("{path}?days=366")).await;
        assert_eq!(status, 422, "{answer}");
        assert_eq!(answer["errors"][0]["field"], "days", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_became_of_lessons_and_a_button_revives_what_was_given_up() {
    let academy = Academy::open_with(&[("LESSON_PATIENCE_HOURS", "0")]).await;
    let deal = academy.crm.applies("anna@example.com").await;
    academy.finishes("anna@example.com", 67).await;
    academy.stage_becomes(deal, 1).await;
    academy.finishes("anna@example.com", 68).await;
    academy.stage_becomes(deal, 2).await;
    academy.finishes("early@example.com", 67).await;
    let figures = figures_when(&academy, "three ends", |figures| {
        // The attempt is counted a moment before its letter is written.
        figures["today"]["moved"] == 2
            && figures["failures"]["attempts"] == 1
            && figures["queue"][0]["dead_letters"] == 1
    })
    .await;
    assert_eq!(figures["today"]["finished"], 3);
    assert_eq!(figures["periods"].as_array().unwrap().len(), 7);
    let lessons = json!([
        {"lesson_number": 1, "students": 2},
        {"lesson_number": 2, "students": 1},
        {"lesson_number": 3, "students": 0},
    ]);
    assert_eq!(
        figures["courses"],
        json!([{"course": "default", "lessons": lessons}])
    );
    assert_eq!(figures["failures"]["reasons"][0]["reason"], "no_contact");
    assert_eq!(figures["queue"][0]["dead_letters"], 1);
    assert_eq!(figures["connection"]["long_lived"], true);

    let russian = page(&academy, "?lang=ru&days=7", None).await;
    let english = page(&academy, "?lang=en&days=7", None).await;
    for (text, parts) in [
        (
            &russian,
            [
                "<html lang=\"ru\">",
                "сделка передвинута",
                "контакт так и не появился",
                "Повторить",
            ],
        ),
        (
            &english,
            [
                "<html lang=\"en\">",
                "deal moved",
                "no contact until the end",
                "Retry",
            ],
        ),
    ] {
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Every picture is told in words.
        assert_eq!(
            text.matches("<svg").count(),
            text.matches("</desc>").count()
        );
    }
    // The application has come. The button does what it says, and a second press is harmless.
    let deal = academy.crm.applies("early@example.com").await;
    let (_, action) = russian.split_once("method=\"post\" action=\"").unwrap();
    let action = action.split('"').next().unwrap().replace("&#38;", "&");
    for _ in 0..2 {
        let url = format!("{}{action}", academy.url);
        let pressed = browser().request(Method::POST, url).send().await.unwrap();
        assert_eq!(pressed.status(), 303);
        let back = pressed.headers()["location"].to_str().unwrap();
        assert_eq!(back, "/dashboard?lang=ru&days=7#failed");
        academy.stage_becomes(deal, 1).await;
    }
    figures_when(&academy, "the third move", |figures| {
        figures["today"]["moved"] == 3 && figures["queue"][0]["dead_letters"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_counted_while_they_wait_and_only_operators_are_shown_buttons() {
    let academy = Academy::open_with(&[
        ("ADMIN_TOKEN", "admin-token-0123456789"),
        ("VIEWER_TOKEN", "viewer-token-0123456789"),
        ("OPERATOR_TOKEN", "operator-token-0123456"),
    ])
    .await;
    academy.finishes("early@example.com", 67).await;
    let stats = || async {
        let url = format!("{}/api/stats", academy.url);
        let request = browser().get(url).bearer_auth("viewer-token-0123456789");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let waiting = json!([{"reason": "no_contact", "students": 1}]);
    eventually("somebody waits", || async {
        (stats().await["waiting"] == waiting).then_some(())
    })
    .await;
    let erase = format!(
        "{}/api/lessons/students?email=Early@example.com",
        academy.url
    );
    for (token, status) in [
        ("operator-token-0123456", 403),
        ("admin-token-0123456789", 204),
        ("admin-token-0123456789", 404),
    ] {
        let answer = browser()
            .delete(&erase)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
    }
    let store = academy.app.store();
    assert_eq!(stats().await["waiting"], json!([]));

    store
        .jobs()
        .enqueue(store::JobSpec::new(store::LESSON_SYNC, &"damaged").unwrap())
        .await
        .unwrap();
    eventually("a dead letter", || async {
        (stats().await["failures"]["dead_letters"][0]["reason"] == "unreadable payload")
            .then_some(())
    })
    .await;
    let seen = page(&academy, "?lang=en", Some("viewer-token-0123456789")).await;
    assert!(seen.contains("unreadable payload") && !seen.contains("<button>"));
    let seen = page(&academy, "?lang=en", Some("operator-token-0123456")).await;
    assert!(seen.contains("<button>Retry</button>"));
}
