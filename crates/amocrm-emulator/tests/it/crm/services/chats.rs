//! The Chats API, and what the CRM makes of it.

use std::time::Duration;

use amocrm_emulator::{ChatChannel, Emulator, NewChatChannel, Seed};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::Sha1;

use super::super::super::edge::subscriber::Subscriber;
use super::super::{
    client::{Crm, Reply},
    shapes::{assert_shape, fixture},
};

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn sign(secret: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message);
    hex(&mac.finalize().into_bytes())
}

/// A channel's server: it signs what it sends.
struct Integration {
    crm: Crm,
    channel: ChatChannel,
    amojo_id: String,
    http: reqwest::Client,
}

impl Integration {
    async fn start(webhook_url: Option<String>) -> Self {
        let channel = NewChatChannel {
            webhook_url,
            ..NewChatChannel::default()
        };
        let builder = Emulator::builder().seed(Seed::Empty).rate_limit(None);
        let crm = Crm::with(builder.chat_channel(channel).start().await.unwrap());
        let (_, known) = crm.control_get("chats/channels").await;
        let id = known["channels"][0]["id"].as_str().unwrap().to_owned();
        let channel = crm.emulator.register_channel(NewChatChannel {
            id: Some(id),
            secret: Some("channel-secret".into()),
            ..NewChatChannel::default()
        });
        let account = crm.read("account?with=amojo_id").await;
        let amojo_id = account["amojo_id"].as_str().unwrap().to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            crm,
            channel,
            amojo_id,
            http,
        }
    }

    /// One that is connected.
    async fn connected(webhook_url: Option<String>) -> Self {
        let it = Self::start(webhook_url).await;
        let (status, answer) = it.connect().await;
        assert_eq!((status, &answer["scope_id"]), (200, &json!(it.scope())));
        it
    }

    async fn connect(&self) -> Reply {
        let body = json!({"account_id": self.amojo_id, "title": "Test", "hook_api_version": "v2"});
        self.send(
            Method::POST,
            &format!("{}/connect", self.channel.id),
            Some(body),
        )
        .await
    }

    fn scope(&self) -> String {
        format!("{}_{}", self.channel.id, self.amojo_id)
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send_dated(method, path, body, 0, &self.channel.secret)
            .await
    }

    /// A request whose clock is some seconds away and whose secret may be another.
    async fn send_dated(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        shift: i64,
        secret: &str,
    ) -> Reply {
        let at = self.crm.emulator.now() + shift;
        let date = chrono::DateTime::from_timestamp(at, 0)
            .unwrap()
            .to_rfc2822();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let md5 = hex(&Md5::digest(body.as_bytes()));
        let path = format!("/v2/origin/custom/{path}");
        let bare = path.split('?').next().unwrap();
        let message = format!("{method}\n{md5}\napplication/json\n{date}\n{bare}");
        let request = self
            .http
            .request(method, format!("{}{path}", self.crm.emulator.base_url()))
            .header("date", date)
            .header("content-type", "application/json")
            .header("content-md5", md5)
            .header("x-signature", sign(secret, message.as_bytes()))
            .body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sends something to the account's scope.
    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, &format!("{}{path}", self.scope()), Some(body))
            .await
    }

    fn incoming(&self, msgid: &str, text: &str) -> Value {
        let now = self.crm.emulator.now();
        json!({"event_type": "new_message", "payload": {
            "timestamp": now, "msec_timestamp": now * 1000, "msgid": msgid, "conversation_id": "c-1",
            "sender": {"id": "u-1", "name": "Анна", "profile": {"phone": "+70000000001"}},
            "message": {"type": "text", "text": text}, "silent": false,
        }})
    }

    /// The only chat there is.
    async fn chat(&self) -> Value {
        let (_, document) = self.crm.control_get("chats").await;
        document["chats"][0].clone()
    }
}

#[tokio::test]
async fn only_a_fresh_signature_of_the_channel_is_let_in() {
    let it = Integration::start(None).await;
    let path = format!("{}/connect", it.channel.id);
    let body = || Some(json!({"account_id": it.amojo_id, "title": "Test"}));
    let (status, refused) = it.send_dated(Method::POST, &path, body(), 0, "other").await;
    assert_eq!(status, 403);
    assert_eq!(refused["error_type"], "ORIGIN_INVALID_SIGNATURE");
    let secret = &it.channel.secret;
    for (shift, expected) in [(-16 * 60, 403), (16 * 60, 403), (-14 * 60, 200)] {
        let (status, _) = it
            .send_dated(Method::POST, &path, body(), shift, secret)
            .await;
        assert_eq!(status, expected, "{shift} seconds");
    }
    let nobody = Some(json!({"account_id": "nobody", "title": "Test"}));
    assert_eq!(it.send(Method::POST, &path, nobody).await.0, 404);
    let (status, refused) = it
        .send(Method::POST, &path, Some(json!({"title": 5})))
        .await;
    assert_eq!(status, 400);
    let description = refused["error_description"].as_str().unwrap();
    assert!(description.contains("account_id") && description.contains("title"));

    assert_eq!(it.post("", it.incoming("m-1", "Hi")).await.0, 200);
    let left = format!("{}/disconnect", it.channel.id);
    let body = Some(json!({"account_id": it.amojo_id}));
    assert_eq!(it.send(Method::DELETE, &left, body).await.0, 200);
    assert_eq!(it.post("", it.incoming("m-2", "Hi")).await.0, 404);
}

#[tokio::test]
async fn the_first_message_makes_a_lead_in_the_pipeline_of_its_source_and_a_talk() {
    let it = Integration::connected(None).await;
    let crm = &it.crm;
    let (_, pipelines) = crm
        .post(
            "leads/pipelines",
            json!([{"name": "Чаты", "sort": 2, "is_main": false, "is_unsorted_on": true,
            "_embedded": {"statuses": [{"name": "Новые", "sort": 20}]}}]),
        )
        .await;
    let pipeline = &pipelines["_embedded"]["pipelines"][0]["id"];
    let source = json!([{"name": "Чат", "external_id": "chat-1", "pipeline_id": pipeline}]);
    assert_eq!(crm.post("sources", source).await.0, 200);
    let hook = Subscriber::start().await;
    let settings =
        json!({"destination": hook.url, "settings": ["add_message", "add_talk", "update_talk"]});
    assert_eq!(crm.post("webhooks", settings).await.0, 201);

    let mut message = it.incoming("m-1", "Здравствуйте");
    message["payload"]["source"] = json!({"external_id": "chat-1"});
    let (status, answer) = it.post("", message.clone()).await;
    assert_eq!(
        (status, &answer["new_message"]["ref_id"]),
        (200, &json!("m-1"))
    );
    assert_eq!(it.post("", message).await.1, answer, "again the same");
    assert_eq!(it.post("", it.incoming("m-2", "Есть кто?")).await.0, 200);

    let chat = it.chat().await;
    let waiting = crm.read("leads/unsorted?filter[category][]=chats").await;
    let waiting = &waiting["_embedded"]["unsorted"][0];
    assert_eq!(waiting["metadata"]["origin"]["chat_id"], chat["id"]);
    let accept = format!("leads/unsorted/{}/accept", waiting["uid"].as_str().unwrap());
    assert_eq!(crm.post(&accept, json!({})).await.0, 200);
    let lead = crm
        .read(&format!("leads/{}?with=contacts", chat["lead_id"]))
        .await;
    assert_eq!(&lead["pipeline_id"], pipeline);
    assert_eq!(lead["_embedded"]["contacts"][0]["id"], chat["contact_id"]);
    let contact = crm.read(&format!("contacts/{}", chat["contact_id"])).await;
    assert_eq!(contact["name"], "Анна");
    assert_eq!(
        contact["custom_fields_values"][0]["values"][0]["value"],
        "+70000000001"
    );

    let talks = crm.read("talks?filter[only_in_work]=1").await;
    let talk = &talks["_embedded"]["talks"][0];
    assert_shape("talk_get", (200, talk.clone()));
    assert_eq!(talk["chat_id"], chat["id"]);
    assert_eq!(
        (&talk["entity_id"], &talk["entity_type"]),
        (&chat["lead_id"], &json!("lead"))
    );
    assert_eq!(talk["is_read"], false);
    let events = crm.read("events?filter[type]=incoming_chat_message").await;
    let event = &events["_embedded"]["events"][0];
    assert_eq!(
        event["value_after"][0]["message"]["talk_id"],
        talk["talk_id"]
    );
    assert_eq!(
        event["_embedded"]["entity"]["linked_talk_contact_id"],
        chat["contact_id"]
    );

    crm.emulator.settle_webhooks().await;
    let received = hook.received();
    let kinds: Vec<&str> = received
        .iter()
        .map(|delivery| {
            let (key, _) = &delivery.form[3];
            key.split('[').next().unwrap()
        })
        .collect();
    assert_eq!(kinds, ["talk", "message", "talk", "message"]);
    assert_eq!(received[1].value("message[add][0][text]"), "Здравствуйте");
    assert_eq!(
        received[1].value("message[add][0][author][type]"),
        "external"
    );

    let close = format!("talks/{}/close", talk["talk_id"]);
    assert_eq!(crm.post(&close, json!({"force_close": true})).await.0, 202);
    assert_eq!(crm.post(&close, json!({})).await.0, 422);
    assert_eq!(crm.get("talks?filter[only_in_work]=1").await.0, 204);
    assert_eq!(crm.get("talks/5").await.0, 404);
    assert_eq!(it.post("", it.incoming("m-3", "Ещё")).await.0, 200);
    let open = crm.read("talks?filter[only_in_work]=1").await;
    assert_ne!(open["_embedded"]["talks"][0]["talk_id"], talk["talk_id"]);
    assert_eq!(
        it.chat().await["lead_id"],
        chat["lead_id"],
        "the lead is still open"
    );
}

#[tokio::test]
async fn silent_messages_are_history_and_nothing_more() {
    let it = Integration::connected(None).await;
    for n in 0..3 {
        let mut message = it.incoming(&format!("m-{n}"), "было");
        message["payload"]["silent"] = json!(true);
        assert_eq!(it.post("", message).await.0, 200);
    }
    let chat = it.chat().await;
    assert_eq!(chat["lead_id"], Value::Null);
    assert_eq!(it.crm.get("talks").await.0, 204);
    let history = async |query: &str| {
        let path = format!(
            "{}/chats/{}/history{query}",
            it.scope(),
            chat["id"].as_str().unwrap()
        );
        it.send(Method::GET, &path, None).await
    };
    let (status, page) = history("?offset=1&limit=1").await;
    assert_eq!(status, 200);
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["message"]["client_id"], "m-1");
    assert_eq!(messages[0]["sender"]["client_id"], "u-1");
    assert_eq!(history("?offset=3").await.0, 204);
}

#[tokio::test]
async fn a_managers_words_reach_the_channel_once_and_signed() {
    let hook = Subscriber::start().await;
    let it = Integration::connected(Some(format!("{}?scope=:scope_id", hook.url))).await;
    let (_, chat) = it
        .post(
            "/chats",
            json!({"conversation_id": "c-1", "user": {"id": "u-1", "name": "Анна"}}),
        )
        .await;
    let id = chat["id"].as_str().unwrap();
    let again = json!({"conversation_id": "c-1", "user": {"id": "u-1", "name": "Анна"}});
    assert_eq!(it.post("/chats", again).await.1["id"], id);
    it.post("", it.incoming("m-1", "Привет")).await;

    hook.answer(500);
    let (status, outcome) = it
        .crm
        .control(
            "chats/message",
            json!({"chat_id": id, "text": "Добрый день"}),
        )
        .await;
    assert_eq!((status, &outcome["hook_status"]), (200, &json!(500)));
    it.crm.emulator.advance(Duration::from_hours(2));
    it.crm.emulator.settle_webhooks().await;
    let received = hook.received();
    assert_eq!(received.len(), 1, "never again");
    let scope = format!("scope={}", it.scope());
    assert_eq!(received[0].query.as_deref(), Some(&*scope));
    let signature = received[0].headers["x-signature"].to_str().unwrap();
    assert_eq!(signature, sign(&it.channel.secret, &received[0].body));
    let body: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(body["account_id"], json!(it.amojo_id));
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let sample = fixture("chat_hook_message");
    assert_eq!(keys(&body), keys(&sample));
    assert_eq!(
        keys(&body["message"]["receiver"]),
        keys(&sample["message"]["receiver"])
    );
    assert_eq!(
        body["message"]["conversation"],
        json!({"id": id, "client_id": "c-1"})
    );
    assert_eq!(body["message"]["receiver"]["phone"], "+70000000001");
    assert_eq!(body["message"]["message"]["text"], "Добрый день");
    assert_eq!(body["message"]["message"]["id"], outcome["message_id"]);

    let message = outcome["message_id"].as_str().unwrap();
    let path = format!("/{message}/delivery_status");
    let read = json!({"msgid": message, "delivery_status": 2});
    assert_eq!(it.post(&path, read).await.0, 200);
    let failed = json!({"msgid": message, "delivery_status": -1, "error_code": 905});
    assert_eq!(
        it.post(&path, failed).await.0,
        400,
        "another error needs words"
    );
    assert_eq!(
        it.post(
            "/5/delivery_status",
            json!({"msgid": "5", "delivery_status": 1})
        )
        .await
        .0,
        404
    );
    let reaction = json!({"conversation_id": "c-1", "id": message, "user": {"id": "u-1"}, "type": "react", "emoji": "👍"});
    assert_eq!(it.post("/react", reaction).await.0, 200);
    let typing = json!({"conversation_id": "c-1", "sender": {"id": "u-1"}});
    assert_eq!(it.post("/typing", typing).await.0, 204);
    let mut edit = it.incoming("m-1", "Привет!");
    edit["event_type"] = json!("edit_message");
    assert_eq!(it.post("", edit).await.0, 200);
    let chat = it.chat().await;
    assert_eq!(chat["messages"][0]["message"]["text"], "Привет!");
    assert_eq!(chat["messages"][1]["delivery_status"], 2);
    assert_eq!(chat["messages"][1]["reactions"], json!([["u-1", "👍"]]));

    let typed = it.crm.control("chats/typing", json!({"chat_id": id})).await;
    assert_eq!(typed.0, 200);
    let reacted = json!({"chat_id": id, "message_id": chat["messages"][0]["id"], "emoji": "🔥"});
    assert_eq!(it.crm.control("chats/reaction", reacted).await.0, 200);
    let bodies: Vec<Value> = hook
        .received()
        .iter()
        .map(|delivery| serde_json::from_slice(&delivery.body).unwrap())
        .collect();
    assert_shape("chat_hook_typing", (200, bodies[1].clone()));
    assert_shape("chat_hook_reaction", (200, bodies[2].clone()));
    let events = it
        .crm
        .read("events?filter[type]=outgoing_chat_message")
        .await;
    assert_eq!(events["_embedded"]["events"][0]["created_by"], 9_000_001);
}

#[tokio::test]
async fn a_manager_may_write_first_and_the_client_answers_in_the_same_chat() {
    let hook = Subscriber::start().await;
    let it = Integration::connected(Some(hook.url.clone())).await;
    let contact = it.crm.create("contacts", json!({"name": "Борис"})).await;
    let first = json!({"channel_id": it.channel.id, "contact_id": contact, "text": "Добрый день"});
    let (status, outcome) = it.crm.control("chats/message", first).await;
    assert_eq!(status, 200, "{outcome}");
    let body: Value = serde_json::from_slice(&hook.received()[0].body).unwrap();
    assert_eq!(
        body["message"]["conversation"],
        json!({"id": outcome["chat_id"]})
    );

    let mut answer = it.incoming("m-1", "И вам");
    answer["payload"]["conversation_ref_id"] = outcome["chat_id"].clone();
    assert_eq!(it.post("", answer).await.0, 200);
    let chat = it.chat().await;
    assert_eq!(chat["id"], outcome["chat_id"]);
    assert_eq!(chat["conversation_id"], "c-1");
    assert_eq!(chat["contact_id"], contact, "no second contact is made");

    let links = it
        .crm
        .read(&format!("contacts/chats?contact_id[]={contact}"))
        .await;
    assert_eq!(links["_embedded"]["chats"][0]["chat_id"], chat["id"]);
    let other = it.crm.create("contacts", json!({"name": "Вера"})).await;
    let link = json!([{"contact_id": other, "chat_id": chat["id"], "request_id": "x"}]);
    let (status, made) = it.crm.post("contacts/chats", link).await;
    assert_eq!(
        (status, &made["_embedded"]["chats"][0]["request_id"]),
        (200, &json!("x"))
    );
    assert_eq!(
        it.crm
            .get(&format!("contacts/chats?contact_id={contact}"))
            .await
            .0,
        204
    );
    let nobody = json!([{"contact_id": 5, "chat_id": "nobody"}]);
    assert_eq!(it.crm.post("contacts/chats", nobody).await.0, 400);
}
