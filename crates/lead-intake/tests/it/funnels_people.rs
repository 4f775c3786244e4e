//! Funnels and the people they write to: answers, unsubscriptions, and managers who move the deal.

use std::fmt::Write as _;

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::funnels::{FUNNEL, ONE_LETTER, SECRET, Stage, VERIFY};
use crate::harness::{Mishap, Mood, NUMBER, eventually};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A webhook of WhatsApp with its signature.
async fn whatsapp_tells(stage: &Stage, value: Value) -> Value {
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "messages", "value": value}
    ]}]})
    .to_string();
    let mac = <Hmac<Sha256>>::new_from_slice(SECRET.as_bytes())
        .unwrap()
        .chain_update(&body);
    let mut signature = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").unwrap();
    }
    let headers = [JSON, ("x-hub-signature-256", signature.as_str())];
    let answer = stage
        .app
        .send(Method::POST, "/api/webhooks/whatsapp", &headers, &body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn message(from: &str, id: &str, text: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER},
        "messages": [{"id": id, "from": from, "timestamp": "1795219200", "type": "text", "text": {"body": text}}],
    })
}

/// The lead's last message, which was waiting, has been stopped.
async fn is_stopped(stage: &Stage, lead: i64, reason: &str) {
    let message = stage.message(lead, 3, "stopped").await;
    assert_eq!(message["reason"], reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_or_a_change_of_the_status_stops_what_waits() {
    let stage = Stage::connected(FUNNEL).await;
    let hooks = stage.app.crm.get("/api/v4/webhooks").await;
    let events = &hooks["_embedded"]["webhooks"][0]["settings"];
    for event in ["add_message", "add_talk", "note_lead", "note_contact"] {
        assert!(
            events.as_array().unwrap().contains(&json!(event)),
            "{events}"
        );
    }
    for way in [
        "status", "crm", "whatsapp", "mail", "sender", "message", "note", "talk",
    ] {
        let id = stage.lead().await;
        stage.message(id, 1, "sent").await;
        let lead = stage.app.lead_is(id, "/delivery/state", "delivered").await;
        let deal = lead["amocrm"]["lead_id"].as_i64().unwrap();
        let contact = lead["amocrm"]["contact_id"].as_i64().unwrap();
        let phone = lead["phone"]
            .as_str()
            .unwrap()
            .trim_start_matches('+')
            .to_owned();
        let letter = stage.smtp.letters().pop().unwrap();
        let tell_amo = |body: String| {
            let stage = &stage;
            async move {
                let answer = stage
                    .app
                    .send(Method::POST, "/api/webhooks/amo", &[FORM], &body)
                    .await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
        };
        let reply = |body: Value| {
            let stage = &stage;
            async move {
                let path = "/api/funnels/reply";
                let answer = stage
                    .app
                    .send(Method::POST, path, &[JSON], &body.to_string())
                    .await;
                assert_eq!(
                    answer.json(),
                    json!({"leads": [id], "stopped": 2}),
                    "{}",
                    answer.text
                );
            }
        };
        let mut reason = "the client has answered";
        match way {
            "status" => {
                stage
                    .app
                    .put(&format!("/api/leads/{id}/status?status=contacted"))
                    .await;
                reason = "the status has changed";
            }
            "crm" => {
                // amoCRM tells whole seconds; a change within the second of the last one is believed.
                let to = stage.app.crm.stage("Asia Deals", "Презентация").await;
                stage.app.crm.move_deal(deal, to).await;
                reason = "the status has changed";
            }
            "whatsapp" => {
                let body = message(&phone, "wamid.in.1", "Перезвоните, пожалуйста");
                for _ in 0..2 {
                    // WhatsApp repeats what it is not sure of.
                    let receipt = whatsapp_tells(&stage, body.clone()).await;
                    assert_eq!(receipt["answers"], 1);
                }
                stage.app.queue_is_empty().await;
                let notes = stage.app.crm.notes(deal).await;
                let found = notes
                    .iter()
                    .filter(|note| note.contains("Перезвоните"))
                    .count();
                assert_eq!(found, 1, "{notes:?}");
            }
            "mail" => reply(json!({"in_reply_to": letter.header("Message-ID").unwrap()})).await,
            "sender" => {
                reply(json!({"from": lead["email"].as_str().unwrap().to_uppercase()})).await;
            }
            "message" => {
                tell_amo(format!(
                    "message[add][0][id]=u-1&message[add][0][type]=incoming&message[add][0][contact_id]={contact}\
                     &message[add][0][text]=hi"
                ))
                .await;
            }
            "note" => {
                tell_amo(format!(
                    "leads[note][0][note][element_id]={deal}&leads[note][0][note][element_type]=2\
                     &leads[note][0][note][note_type]=10&leads[note][0][note][text]=call"
                ))
                .await;
            }
            _ => {
                tell_amo(format!(
                    "talk[add][0][talk_id]=7&talk[add][0][entity_type]=lead&talk[add][0][entity_id]={deal}"
                ))
                .await;
            }
        }
        is_stopped(&stage, id, reason).await;
    }
    stage.clock.advance(TimeDelta::hours(5));
    let other = stage.lead().await;
    stage.message(other, 1, "sent").await;
    assert!(stage.whatsapp.messages().is_empty());
    // Our own words and a manager's are no answers.
    let lead = stage
        .app
        .lead_is(other, "/delivery/state", "delivered")
        .await;
    let deal = lead["amocrm"]["lead_id"].as_i64().unwrap();
    let body = format!(
        "leads[note][0][note][element_id]={deal}&leads[note][0][note][note_type]=4&leads[note][0][note][text]=mine\
         &message[add][0][id]=u-2&message[add][0][type]=outgoing&message[add][0][entity_type]=lead\
         &message[add][0][entity_id]={deal}"
    );
    stage
        .app
        .send(Method::POST, "/api/webhooks/amo", &[FORM], &body)
        .await;
    assert_eq!(
        stage.app.lead(other).await["messages"][2]["state"],
        "pending"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_the_link_asks_and_the_button_unsubscribes_for_ever() {
    let stage = Stage::set(FUNNEL).await;
    let lead = r#"{"email": "ada@example.com", "phone": "+79001234567"}"#;
    let id = stage.app.submit(lead).await.id();
    stage.message(id, 1, "sent").await;
    let link = stage.smtp.letters()[0].unsubscribe();
    let path = link.strip_prefix(&stage.app.url).unwrap().to_owned();

    let page = stage.app.get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<form method=\"post\">") && !page.text.contains("ada@"));
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("form-action 'self'")
    );
    assert_eq!(stage.app.lead(id).await["messages"][1]["state"], "pending");

    // A mail program's button (RFC 8058); a second press changes nothing.
    for _ in 0..2 {
        let done = stage
            .app
            .send(Method::POST, &path, &[FORM], "List-Unsubscribe=One-Click")
            .await;
        assert_eq!(done.status, 200);
        assert!(done.text.contains("Вы отписаны") && done.text.contains("unsubscribed"));
    }
    for step in 2..=3 {
        let message = stage.message(id, step, "stopped").await;
        assert_eq!(message["reason"], "unsubscribed");
    }
    assert!(!stage.app.get(&path).await.text.contains("<form"));

    // The same address of another lead gets nothing, and its letters are never begun.
    let again = stage.app.submit(lead).await.id();
    assert_eq!(
        stage.message(again, 1, "stopped").await["reason"],
        "unsubscribed"
    );
    assert_eq!(stage.smtp.letters().len(), 1);

    let token = path.rsplit('/').next().unwrap();
    // Of the two recipients, the other with this one's signature: four bits of the number and two of the signature.
    let letter = match token.as_bytes()[10] {
        letter @ b'E'..=b'H' => letter + 4,
        letter => letter - 4,
    };
    let other_number = format!("{}{}{}", &token[..10], char::from(letter), &token[11..]);
    for forged in [&token[..token.len() - 1], "x", &other_number, "AAAAAAAAAAE"] {
        for method in [Method::GET, Method::POST] {
            let answer = stage
                .app
                .send(method, &format!("/u/{forged}"), &[], "")
                .await;
            assert_eq!(answer.status, 404, "{forged}");
            assert!(answer.text.contains("Ссылка не подходит"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_about_to_leave_stays_here_when_it_is_stopped_at_the_last_moment() {
    const BOB: &str = r#"{"email": "bob@example.com", "utm_campaign": "bali"}"#;
    let stage = Stage::set(ONE_LETTER).await;
    for way in ["status", "unsubscribe"] {
        if way == "unsubscribe" {
            let warm = stage.app.submit(BOB).await.id();
            stage.message(warm, 1, "sent").await;
        }
        let before = stage.smtp.letters().len();
        stage.smtp.moods([Mood::WaitBeforeText]);
        let id = stage.app.submit(BOB).await.id();
        stage.smtp.waits().await;
        if way == "status" {
            stage
                .app
                .put(&format!("/api/leads/{id}/status?status=lost"))
                .await;
        } else {
            let link = stage.smtp.letters().pop().unwrap().unsubscribe();
            stage
                .app
                .post(link.strip_prefix(&stage.app.url).unwrap())
                .await;
        }
        stage.message(id, 1, "stopped").await;
        stage.smtp.go_on();
        eventually("its job has ended", || async {
            let stats = stage
                .app
                .app
                .store()
                .jobs()
                .stats("funnel.email")
                .await
                .unwrap();
            (stats.depth == 0).then_some(())
        })
        .await;
        assert_eq!(stage.smtp.letters().len(), before, "{way}");
        assert_eq!(stage.app.lead(id).await["messages"][0]["state"], "stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapps_webhook_is_verified_signed_and_tells_what_a_lost_answer_would_have_said() {
    let head = FUNNEL.split("[[funnel.step]]").next().unwrap();
    let step = FUNNEL
        .rsplit("[[funnel.step]]")
        .next()
        .unwrap()
        .replace("2h", "0m");
    let stage = Stage::set(&format!("{head}[[funnel.step]]{step}")).await;

    let verify = |token: &str| {
        format!(
            "/api/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
        )
    };
    let answer = stage.app.get(&verify(VERIFY)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, "1158201444")
    );
    assert_eq!(stage.app.get(&verify("wrong")).await.status, 403);
    for signature in ["", "sha256=00", "sha256="] {
        let headers = [JSON, ("x-hub-signature-256", signature)];
        let answer = stage
            .app
            .send(Method::POST, "/api/webhooks/whatsapp", &headers, "{}")
            .await;
        assert_eq!(answer.status, 403);
    }

    stage.whatsapp.mishaps([Mishap::Lost]);
    let id = stage.lead().await;
    stage.message(id, 1, "unknown").await;
    let callback = stage.whatsapp.messages()[0]["biz_opaque_callback_data"].clone();
    let status = |word: &str, number: &str| {
        json!({
            "messaging_product": "whatsapp", "metadata": {"phone_number_id": number},
            "statuses": [{"id": "wamid.1", "status": word, "biz_opaque_callback_data": callback}],
        })
    };
    let receipt = whatsapp_tells(&stage, status("delivered", "999")).await;
    assert_eq!(receipt["receipts"], 0, "it is about another number");
    for (word, news) in [("delivered", 1), ("sent", 0), ("read", 1)] {
        assert_eq!(
            whatsapp_tells(&stage, status(word, NUMBER)).await["receipts"],
            news,
            "{word}"
        );
    }
    let message = stage.message(id, 1, "sent").await;
    assert_eq!(message["receipt"], "read");

    // "Stop" is an unsubscription of the phone.
    let phone = stage.app.lead(id).await["phone"]
        .as_str()
        .unwrap()
        .to_owned();
    whatsapp_tells(&stage, message_from(&phone)).await;
    let body = json!({"phone": phone}).to_string();
    let again = stage.app.submit(&body).await.id();
    assert_eq!(
        stage.message(again, 1, "stopped").await["reason"],
        "unsubscribed"
    );
    assert_eq!(stage.whatsapp.messages().len(), 1);
}

fn message_from(phone: &str) -> Value {
    message(phone.trim_start_matches('+'), "wamid.in.9", "Стоп.")
}
