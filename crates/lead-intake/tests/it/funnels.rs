//! Funnels: letters and messages to clients, and what happens when servers fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};
use service_kit::clock::Clock as _;

use crate::harness::{
    LEAD, Mishap, Mood, NUMBER, TOKEN, TestApp, TestClock, TestDatabase, TestSmtp, TestWhatsapp,
    captured_log, eventually,
};

pub(crate) const SECRET: &str = "canary-app-secret";
pub(crate) const VERIFY: &str = "canary-verify-token";

/// A letter at once and another in an hour, then a WhatsApp message in two.
pub(crate) const FUNNEL: &str = r#"
quiet_hours = "off"
per_recipient_per_day = 50
[[funnel]]
name = "welcome"
on = "new"
[[funnel.step]]
after = "0m"
channel = "email"
subject = "Заявка {{ first_name }}"
text = "Здравствуйте, {{ name }}! {{ unsubscribe_url }}"
html = "<p>Здравствуйте, {{ name }}!</p>"
[[funnel.step]]
after = "1h"
channel = "email"
subject = "Второе письмо"
text = "{{ unsubscribe_url }}"
[[funnel.step]]
after = "2h"
channel = "whatsapp"
template = { ru = "welcome_ru", en = "welcome_en" }
parameters = ["{{ first_name or 'друг' }}"]
"#;

/// One letter at once.
pub(crate) const ONE_LETTER: &str = r#"
quiet_hours = "off"
per_recipient_per_day = 50
[[funnel]]
name = "one"
on = "new"
[[funnel.step]]
after = "0m"
channel = "email"
subject = "{{ utm_campaign }}"
text = "{{ unsubscribe_url }}"
"#;

/// lead-intake with its funnels, a mail server and WhatsApp.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) clock: TestClock,
    pub(crate) smtp: TestSmtp,
    pub(crate) whatsapp: TestWhatsapp,
    people: AtomicUsize,
}

/// The settings of funnels, with the file written into the folder of the database.
pub(crate) fn settings(
    database: &TestDatabase,
    funnels: &str,
    smtp: &TestSmtp,
    whatsapp: &TestWhatsapp,
) -> Vec<(&'static str, String)> {
    let file = database.folder.path().join("funnels.toml");
    std::fs::write(&file, funnels).unwrap();
    vec![
        ("INTAKE_FUNNELS", file.display().to_string()),
        ("SMTP_HOST", "127.0.0.1".to_owned()),
        ("SMTP_PORT", smtp.port.to_string()),
        ("SMTP_USERNAME", "canaryuser".to_owned()),
        ("SMTP_PASSWORD", "canarypassword".to_owned()),
        ("SMTP_FROM", "Asia Deals <hello@asia.example>".to_owned()),
        ("WHATSAPP_PHONE_NUMBER_ID", NUMBER.to_owned()),
        ("WHATSAPP_TOKEN", TOKEN.to_owned()),
        ("WHATSAPP_BASE_URL", whatsapp.url.clone()),
        ("WHATSAPP_VERIFY_TOKEN", VERIFY.to_owned()),
        ("WHATSAPP_APP_SECRET", SECRET.to_owned()),
    ]
}

impl Stage {
    pub(crate) async fn set(funnels: &str) -> Self {
        let (smtp, whatsapp) = (TestSmtp::start().await, TestWhatsapp::start().await);
        let database = TestDatabase::sqlite();
        let settings = settings(&database, funnels, &smtp, &whatsapp);
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let clock = TestClock::new();
        let app = TestApp::start_at(&clock, database, &settings).await;
        Self {
            app,
            clock,
            smtp,
            whatsapp,
            people: AtomicUsize::new(0),
        }
    }

    /// The same beside a connected account.
    pub(crate) async fn connected(funnels: &str) -> Self {
        let stage = Self::set(funnels).await;
        stage.app.connect().await;
        stage.app.provision().await;
        stage
    }

    /// A new person's lead.
    pub(crate) async fn lead(&self) -> i64 {
        let number = self.people.fetch_add(1, Ordering::SeqCst);
        let body = json!({
            "name": "Ада Тестова", "email": format!("ada{number}@example.com"),
            "phone": format!("+7901{number:07}"), "utm_campaign": format!("c{number}"),
        });
        self.app.submit(&body.to_string()).await.id()
    }

    /// Waits until a message has come so far, and gives it.
    pub(crate) async fn message(&self, lead: i64, step: usize, state: &str) -> Value {
        eventually(
            &format!("message {step} of lead {lead} is {state}"),
            || async {
                let lead = self.app.lead(lead).await;
                let message = lead["messages"].get(step - 1)?.clone();
                (message["state"] == state).then_some(message)
            },
        )
        .await
    }

    /// Waits until the message is tried again later, for this reason.
    async fn is_put_off(&self, lead: i64, step: usize, reason: &str) {
        eventually(&format!("message {step} waits: {reason}"), || async {
            let lead = self.app.lead(lead).await;
            let message = lead["messages"].get(step - 1)?;
            let waits = message["state"] == "pending"
                && message["reason"]
                    .as_str()
                    .is_some_and(|text| text.contains(reason));
            waits.then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_gets_its_messages_in_time_and_each_becomes_a_note() {
    let stage = Stage::connected(FUNNEL).await;
    let answer = stage.app.submit(LEAD).await;
    let (id, deal) = (
        answer.id(),
        answer.json()["amocrm"]["lead_id"].as_i64().unwrap(),
    );
    stage.message(id, 1, "sent").await;

    let letter = &stage.smtp.letters()[0];
    assert_eq!(letter.from, "hello@asia.example");
    assert_eq!(letter.to, ["test@example.com"]);
    let header = |name| letter.header(name).unwrap_or_default();
    assert_eq!(
        header("List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    assert!(
        letter
            .unsubscribe()
            .starts_with(&format!("{}/u/", stage.app.url))
    );
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    let intake_id = stage.app.lead(id).await["intake_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        header("Message-ID"),
        format!("<m1.{intake_id}@asia.example>")
    );
    assert!(header("Content-Type").contains("multipart/alternative"));
    assert!(!header("Subject").is_empty() && !letter.text.contains("test@example.com:"));

    // The others wait for their time, in their order.
    stage.clock.advance(TimeDelta::minutes(59));
    assert_eq!(stage.app.lead(id).await["messages"][1]["state"], "pending");
    stage.clock.advance(TimeDelta::minutes(2));
    stage.message(id, 2, "sent").await;
    assert!(stage.whatsapp.messages().is_empty());
    stage.clock.advance(TimeDelta::hours(1));
    stage.message(id, 3, "sent").await;
    let message = &stage.whatsapp.messages()[0];
    assert_eq!(message["to"], "79001234567");
    assert_eq!(message["template"]["name"], "welcome_ru");
    assert_eq!(message["template"]["language"]["code"], "ru");
    assert_eq!(
        message["template"]["components"][0]["parameters"][0]["text"],
        "Тест"
    );

    stage.app.queue_is_empty().await;
    let notes = stage.app.crm.notes(deal).await;
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes.iter().any(
        |note| note.contains("Клиенту отправлено письмо (welcome, 1)")
            && note.contains("Заявка Тест")
    ));
    assert!(notes.iter().any(|note| note.contains("welcome_ru")));

    let overview = stage.app.get("/api/funnels").await.json();
    assert_eq!(overview["enabled"], true);
    assert_eq!(overview["funnels"][0]["name"], "welcome");
    assert_eq!(overview["funnels"][0]["messages"]["sent"], 3);
    assert_eq!(overview["funnels"][0]["messages"]["pending"], 0);
    let metrics = stage.app.get("/metrics").await.text;
    assert!(metrics.contains("funnel_messages_total{channel=\"email\",outcome=\"sent\"}"));
    assert_eq!(stage.smtp.conversations(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_leave_while_amocrm_is_not_even_connected() {
    let stage = Stage::set(FUNNEL).await;
    let id = stage.lead().await;
    stage.message(id, 1, "sent").await;
    assert_eq!(stage.app.lead(id).await["delivery"]["state"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_may_pass_is_tried_again_and_one_that_will_not_is_given_up() {
    let stage = Stage::set(ONE_LETTER).await;
    for answer in ["451 4.7.1 greylisted", "452 later"] {
        let mood = if answer.starts_with("451") {
            Mood::Recipient(answer)
        } else {
            Mood::Text(answer)
        };
        stage.smtp.moods([mood]);
        let id = stage.lead().await;
        let before = stage.smtp.letters().len();
        stage.is_put_off(id, 1, &answer[..3]).await;
        stage.clock.advance(TimeDelta::minutes(2));
        stage.message(id, 1, "sent").await;
        assert_eq!(stage.smtp.letters().len(), before + 1);
    }
    for mood in [
        Mood::Recipient("550 5.1.1 no canary@example.com here"),
        Mood::Text("554 spam"),
    ] {
        stage.smtp.moods([mood]);
        let id = stage.lead().await;
        let message = stage.message(id, 1, "failed").await;
        let reason = message["reason"].as_str().unwrap();
        assert!(
            reason.contains("55") && !reason.contains("canary"),
            "{reason}"
        );
    }
    // What befalls all letters holds all up, and no attempt is used up by it.
    stage.smtp.moods([Mood::Login, Mood::Login]);
    let id = stage.lead().await;
    stage.is_put_off(id, 1, "SMTP_PASSWORD").await;
    for _ in 0..3 {
        stage.clock.advance(TimeDelta::minutes(1));
        tokio::task::yield_now().await;
    }
    eventually("the server lets us in again", || async {
        stage.clock.advance(TimeDelta::minutes(1));
        let lead = stage.app.lead(id).await;
        (lead["messages"][0]["state"] == "sent").then_some(())
    })
    .await;
    assert_eq!(stage.smtp.letters().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_answer_is_lost_is_not_sent_again() {
    let stage = Stage::connected(ONE_LETTER).await;
    stage.smtp.moods([Mood::DropAfterText]);
    let answer = stage.app.submit(LEAD).await;
    let (id, deal) = (
        answer.id(),
        answer.json()["amocrm"]["lead_id"].as_i64().unwrap(),
    );
    stage.message(id, 1, "unknown").await;
    stage.clock.advance(TimeDelta::days(1));
    stage.app.queue_is_empty().await;
    let other = stage.lead().await;
    stage.message(other, 1, "sent").await;
    assert_eq!(stage.smtp.letters().len(), 2, "one for each");
    let notes = stage.app.crm.notes(deal).await;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("неизвестно, ушло ли оно")),
        "{notes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_and_the_days_share_are_kept() {
    let now = TestClock::new().now().with_second(0).unwrap();
    // A zone in which it is late morning now, so that a day is long enough for the story.
    let offset = 10 - i64::from(now.hour());
    let local = now + TimeDelta::hours(offset);
    let quiet = |hours: i64| {
        (local + TimeDelta::hours(hours))
            .format("%H:%M")
            .to_string()
    };
    let head = format!(
        "time_zone = \"{offset:+}\"\nquiet_hours = \"{}-{}\"\nper_recipient_per_day = 1\n",
        quiet(-1),
        quiet(3)
    );
    let file = FUNNEL.replace("quiet_hours = \"off\"\nper_recipient_per_day = 50\n", &head);
    let stage = Stage::set(&file).await;
    let id = stage.lead().await;
    let due = eventually("it is enrolled", || async {
        stage.app.lead(id).await["messages"][2]["due_at"]
            .as_str()
            .map(str::to_owned)
    })
    .await;
    let late = due.parse::<chrono::DateTime<Utc>>().unwrap() - (now + TimeDelta::hours(3));
    assert!(late.num_minutes() <= 1 && late.num_seconds() >= -1, "{due}");
    stage.clock.advance(TimeDelta::hours(2));
    assert_eq!(stage.app.lead(id).await["messages"][0]["state"], "pending");
    assert!(stage.smtp.letters().is_empty());
    // After the quiet hours all three are due; of the two letters one is enough for today.
    stage.clock.advance(TimeDelta::minutes(61));
    stage.message(id, 1, "sent").await;
    stage.is_put_off(id, 2, "share").await;
    // The lane keeps the order: the third waits for the second.
    assert_eq!(stage.app.lead(id).await["messages"][2]["state"], "pending");
    stage.clock.advance(TimeDelta::hours(24));
    stage.message(id, 2, "sent").await;
    stage.message(id, 3, "sent").await;
    assert_eq!(stage.smtp.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapps_errors_mean_what_their_numbers_say() {
    let file = FUNNEL
        .replace("after = \"0m\"", "after = \"50h\"")
        .replace("after = \"1h\"", "after = \"51h\"");
    let (head, rest) = file.split_once("[[funnel.step]]").unwrap();
    let whatsapp = rest.rsplit_once("[[funnel.step]]").unwrap().1;
    let stage = Stage::set(&format!(
        "{head}[[funnel.step]]{}",
        whatsapp.replace("2h", "0m")
    ))
    .await;
    for (mishap, state, words) in [
        (Mishap::Error(400, 131_056), "later", "131056"),
        (Mishap::Error(429, 130_429), "later", "130429"),
        (Mishap::Error(500, 131_000), "later", "131000"),
        (Mishap::Error(400, 131_026), "failed", "131026"),
        (Mishap::Error(404, 132_001), "failed", "132001"),
        (Mishap::Page(502), "unknown", "502"),
        (Mishap::Lost, "unknown", "lost"),
        (Mishap::Error(401, 190), "later", "190"),
    ] {
        stage.whatsapp.mishaps([mishap]);
        let before = stage.whatsapp.messages().len();
        let id = stage.lead().await;
        if state == "later" {
            stage.is_put_off(id, 1, words).await;
            stage.clock.advance(TimeDelta::minutes(2));
            stage.message(id, 1, "sent").await;
            assert_eq!(stage.whatsapp.messages().len(), before + 1, "{words}");
        } else {
            let message = stage.message(id, 1, state).await;
            assert!(
                message["reason"].as_str().unwrap().contains(words),
                "{message}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_no_secret_is_in_the_log() {
    let stage = Stage::connected(FUNNEL).await;
    stage.smtp.moods([
        Mood::Recipient("451 canary@example.com not now"),
        Mood::Login,
    ]);
    stage.whatsapp.mishaps([Mishap::Error(400, 131_056)]);
    let body = json!({
        "name": "Canaryname", "phone": "+79005550199", "email": "canary@example.com",
        "comment": "canarycomment",
    });
    let id = stage.app.submit(&body.to_string()).await.id();
    for reason in ["451", "SMTP_PASSWORD"] {
        stage.is_put_off(id, 1, reason).await;
        stage.clock.advance(TimeDelta::minutes(20));
    }
    stage.message(id, 1, "sent").await;
    stage.clock.advance(TimeDelta::hours(1));
    stage.message(id, 2, "sent").await;
    stage.clock.advance(TimeDelta::hours(1));
    stage.is_put_off(id, 3, "131056").await;
    stage.clock.advance(TimeDelta::minutes(20));
    stage.message(id, 3, "sent").await;
    stage.app.queue_is_empty().await;
    stage.app.post("/api/funnels/reply").await;
    let link = stage.smtp.letters()[0].unsubscribe();
    let token = link.rsplit('/').next().unwrap().to_owned();
    stage.app.post(&format!("/u/{token}")).await;
    let log = captured_log();
    assert!(log.contains("message sent"), "the log is being read");
    for word in [
        "Canaryname",
        "79005550199",
        "5550199",
        "canary@",
        "canarycomment",
        "canaryuser",
        "canarypassword",
        "canarywhatsapp",
        SECRET,
        VERIFY,
        &token,
        "Второе письмо",
        "Здравствуйте",
    ] {
        let line = log.lines().find(|line| line.contains(word));
        assert!(
            line.is_none(),
            "{word} is in the log: {}",
            line.unwrap_or_default()
        );
    }
}
