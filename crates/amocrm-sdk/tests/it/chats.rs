//! A channel of the chat service against a scripted one, and what the service posts.

use std::sync::{Arc, Mutex};

use amocrm_sdk::chats::{
    ChatChannel, ChatEvent, ChatHook, ChatUser, DeliveryError, DeliveryStatus, EditMessage,
    MessageContent, MessageType, NewChat, NewMessage, Quote, verify,
};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{Client, ErrorKind};
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use chrono::{DateTime, TimeZone, Utc};
use futures_util::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::fixtures::fixture;

const CHANNEL: &str = "f90ba33d-c9d9-44da-b76c-c349b0ecbe41";
const ACCOUNT: &str = "af9945ff-1490-4cad-807d-945c15d88bec";
const SECRET: &str = "demo-channel-secret";

/// What reached the service: method, path with query, body.
type Seen = Arc<Mutex<Vec<(String, String, Value)>>>;

fn signed(message: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn service() -> (Seen, ChatChannel) {
    let seen = Seen::default();
    let journal = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| {
        let journal = Arc::clone(&journal);
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
            assert_eq!(head.uri.host(), Some("amojo.amocrm.ru"));
            assert!(!head.headers.contains_key("authorization"));
            let message = format!(
                "{}\n{}\n{}\n{}\n{}",
                head.method,
                header("content-md5"),
                header("content-type"),
                header("date"),
                head.uri.path()
            );
            if header("x-signature") != signed(&message) {
                return (http::StatusCode::FORBIDDEN, "<html>no</html>").into_response();
            }
            let path = head.uri.path_and_query().unwrap().to_string();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            journal
                .lock()
                .unwrap()
                .push((head.method.to_string(), path.clone(), body.clone()));
            let answer = match path.rsplit('/').next().unwrap() {
                "connect" => fixture("chat_connect_response.json"),
                "chats" => fixture("chat_create_response.json"),
                "history?offset=0&limit=2" => fixture("chat_history.json"),
                last if last.starts_with(CHANNEL) && body["event_type"] == "new_message" => {
                    fixture("chat_message_response.json")
                }
                last if last.starts_with("history") => {
                    return http::StatusCode::NO_CONTENT.into_response();
                }
                _ => return http::StatusCode::OK.into_response(),
            };
            axum::Json(answer).into_response()
        }
    });
    let builder = Client::builder("amojo.amocrm.ru")
        .transport(router)
        .limits(Limits::per_integration(2_000));
    (seen, builder.chat_channel(CHANNEL, SECRET).unwrap())
}

fn noon() -> DateTime<Utc> {
    Utc.timestamp_millis_opt(1_769_000_000_123).unwrap()
}

fn anna() -> ChatUser {
    ChatUser::new("u-1", "Анна")
}

#[tokio::test]
async fn every_call_is_signed_and_says_what_the_fixtures_say() {
    let (seen, channel) = service();
    let connected = channel.connect(ACCOUNT, "Мой мессенджер").await.unwrap();
    let account = channel.account(ACCOUNT);
    assert_eq!(account.scope_id(), &connected.scope_id);

    let client = anna()
        .avatar("https://chat.example/u-1.png")
        .phone("+79001234567")
        .email("anna@example.com")
        .profile_link("https://chat.example/u-1");
    let chat = account
        .create_chat(NewChat::new("c-1", client).source("line-2"))
        .await
        .unwrap();
    assert_eq!(chat.user.client_id.as_deref(), Some("u-1"));

    let text = NewMessage::new(
        "m-1",
        "c-1",
        anna().phone("+79001234567"),
        MessageContent::text("Здравствуйте!"),
    );
    let sent = account.send(text.sent_at(noon())).await.unwrap();
    assert_eq!(sent.own_id(), Some("m-1"));
    let manager =
        ChatUser::new("manager-7", "Менеджер").ref_id("76fc2bea-902f-425c-9a3d-dcdac4766090");
    let plan = MessageContent::picture("https://chat.example/plan.png", "plan.png", 38_635)
        .caption("План");
    let outgoing = NewMessage::new("m-2", "c-1", manager, plan)
        .to(anna())
        .chat(&chat.id)
        .source("line-2")
        .silent()
        .reply_to(Quote::of_own("m-1"))
        .forward(Quote::of(sent.id()), "c-2")
        .sent_at(noon());
    account.send(outgoing).await.unwrap();
    let edited =
        EditMessage::new("m-1", "c-1", MessageContent::text("Добрый день!")).edited_at(noon());
    account.edit(edited).await.unwrap();

    let blocked = DeliveryStatus::Failed(DeliveryError::Other("Клиент заблокировал бота".into()));
    account
        .delivery_status("0371a0ff-b78a-4c7b-8538-a7d547e10692", blocked)
        .await
        .unwrap();
    account.typing("c-1", "u-1").await.unwrap();
    account.react("c-1", "m-2", &anna(), "👍").await.unwrap();
    account.unreact("c-1", "m-2", &anna()).await.unwrap();
    let history = account.history(&chat.id).limit(2).stream();
    let history: Vec<_> = history.try_collect().await.unwrap();
    assert_eq!(history[1].sender.client_id.as_deref(), Some("u-1"));
    assert_eq!(history[0].message.client_id.as_deref(), Some("m-2"));
    channel.disconnect(ACCOUNT).await.unwrap();

    let scope = format!("/v2/origin/custom/{CHANNEL}_{ACCOUNT}");
    let post =
        |rest: &str, body: &str| ("POST".to_owned(), format!("{scope}{rest}"), fixture(body));
    let own = format!("/v2/origin/custom/{CHANNEL}");
    let chat_path = format!("{scope}/chats/{}/history", chat.id);
    let expected = [
        (
            "POST".to_owned(),
            format!("{own}/connect"),
            fixture("chat_connect_request.json"),
        ),
        post("/chats", "chat_create_request.json"),
        post("", "chat_message_request.json"),
        post("", "chat_message_outgoing_request.json"),
        post("", "chat_edit_request.json"),
        post(
            "/0371a0ff-b78a-4c7b-8538-a7d547e10692/delivery_status",
            "chat_delivery_status_request.json",
        ),
        post("/typing", "chat_typing_request.json"),
        post("/react", "chat_react_request.json"),
        (
            "POST".to_owned(),
            format!("{scope}/react"),
            json!({"conversation_id": "c-1", "msgid": "m-2", "user": {"id": "u-1"}, "type": "unreact"}),
        ),
        (
            "GET".to_owned(),
            format!("{chat_path}?offset=0&limit=2"),
            Value::Null,
        ),
        (
            "GET".to_owned(),
            format!("{chat_path}?offset=2&limit=2"),
            Value::Null,
        ),
        (
            "DELETE".to_owned(),
            format!("{own}/disconnect"),
            fixture("chat_disconnect_request.json"),
        ),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_refused_signature_pauses_nobody() {
    let router =
        Router::new().fallback(|| async { (http::StatusCode::FORBIDDEN, "<html>no</html>") });
    let channel = Client::builder("amojo.amocrm.ru")
        .transport(router)
        .chat_channel(CHANNEL, "wrong")
        .unwrap();
    for _ in 0..2 {
        let error = channel.connect(ACCOUNT, "x").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Forbidden, Some(403))
        );
        assert_eq!(error.operation(), Some("chats.connect"));
    }
}

#[test]
fn every_kind_of_content_has_its_shape() {
    let content = |content: MessageContent| serde_json::to_value(content).unwrap();
    let url = "https://chat.example/f";
    assert_eq!(
        content(MessageContent::location(4.5, 52.0)),
        json!({"type": "location", "location": {"lon": 4.5, "lat": 52.0}})
    );
    assert_eq!(
        content(MessageContent::contact("Анна", "+7900")),
        json!({"type": "contact", "contact": {"name": "Анна", "phone": "+7900"}})
    );
    assert_eq!(
        content(MessageContent::sticker(url).sticker_id("s-1")),
        json!({"type": "sticker", "media": url, "sticker_id": "s-1"})
    );
    assert_eq!(
        content(MessageContent::text("villa-1").callback_data("villa-1")),
        json!({"type": "text", "text": "villa-1", "callback_data": "villa-1"})
    );
    for (made, word) in [
        (MessageContent::voice(url), "voice"),
        (MessageContent::audio(url), "audio"),
    ] {
        assert_eq!(content(made), json!({"type": word, "media": url}));
    }
    for (made, word) in [
        (MessageContent::file(url, "f", 7), "file"),
        (MessageContent::video(url, "f", 7), "video"),
    ] {
        let file = json!({"type": word, "media": url, "file_name": "f", "file_size": 7});
        assert_eq!(content(made), file);
    }
}

#[test]
fn what_the_service_posts_is_read_and_what_is_unknown_is_kept() {
    let parse = |name: &str| ChatHook::parse(&serde_json::to_vec(&fixture(name)).unwrap()).unwrap();
    let hook = parse("chat_hook_message.json");
    assert_eq!(hook.account_id.as_ref().unwrap().as_str(), ACCOUNT);
    let ChatEvent::Message(message) = &hook.event else {
        panic!("{hook:?}")
    };
    assert_eq!(message.conversation.client_id.as_deref(), Some("c-1"));
    assert_eq!(message.source_external_id(), Some("line-2"));
    assert_eq!(
        message.sent_at().unwrap().timestamp_millis(),
        1_769_000_000_980
    );
    assert_eq!(message.receiver.client_id.as_deref(), Some("u-1"));
    assert_eq!(message.message.message_type, MessageType::Picture);
    assert_eq!(message.message.template.as_ref().unwrap().params.len(), 1);
    let buttons = &message.message.markup.as_ref().unwrap().buttons;
    assert_eq!(buttons[0][1].url.as_deref(), Some("https://villa.example"));
    let shown = format!("{hook:?}");
    for secret in ["7900", "anna@", "План", "image.jpg"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }

    let ChatEvent::Message(list) = parse("chat_hook_list_message.json").event else {
        panic!()
    };
    assert_eq!(
        list.conversation.client_id, None,
        "a user of the account wrote first"
    );
    let rows = list.message.markup.unwrap().list_message.unwrap();
    assert_eq!(
        rows.sections[0].rows[0].callback_data.as_deref(),
        Some("villa-1")
    );
    assert_eq!(format!("{rows:?}"), "ListMessage { .. }");

    let ChatEvent::Typing(typing) = parse("chat_hook_typing.json").event else {
        panic!()
    };
    assert_eq!(typing.expired_at.unwrap().timestamp(), 1_769_000_006);
    let ChatEvent::Reaction(reaction) = parse("chat_hook_reaction.json").event else {
        panic!()
    };
    assert_eq!(reaction.emoji.as_deref(), Some("😍"));
    assert!(reaction.message_id().is_some() && !reaction.is_taken_back());

    let odd = json!({"account_id": "a", "action": {"called": {"phone": "+7900"}}});
    let hook = ChatHook::parse(odd.to_string().as_bytes()).unwrap();
    assert_eq!(hook.event, ChatEvent::Unknown(odd));
    assert!(!format!("{hook:?}").contains("7900"));
    for garbage in ["", "[]", "{", "phone=%2B7900"] {
        assert!(ChatHook::parse(garbage.as_bytes()).is_err());
    }
}

#[test]
fn a_hook_is_verified_by_its_body_alone() {
    let body = br#"{"ping":"pong"}"#;
    let signature = "570a3420762bd5cc12862a46b41dfd87e68a726c";
    let (_, channel) = service();
    assert!(channel.verify(signature, body));
    assert!(verify(SECRET, &signature.to_uppercase(), body));
    for wrong in [
        "",
        "57",
        "570a3420762bd5cc12862a46b41dfd87e68a726d",
        "ёё",
        signature.split_at(39).0,
    ] {
        assert!(!channel.verify(wrong, body), "{wrong}");
    }
    assert!(!verify("another", signature, body));
}
