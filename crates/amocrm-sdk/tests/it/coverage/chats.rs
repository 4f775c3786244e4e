//! A channel of the chat service, from its connection to what becomes of a user's answer.

use std::sync::{Arc, Mutex};

use amocrm_emulator::NewChatChannel;
use amocrm_sdk::Client;
use amocrm_sdk::account::AccountWith;
use amocrm_sdk::chats::{
    ChatChannel, ChatEvent, ChatHook, ChatUser, DeliveryStatus, EditMessage, MessageContent,
    NewChat, NewMessage,
};
use amocrm_sdk::contacts::{ContactChatFilter, NewContact, NewContactChat};
use amocrm_sdk::quota::Limits;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::HeaderMap;

use super::Stage;

/// Bodies and signatures that reached the channel's URL.
type Posted = Arc<Mutex<Vec<(String, Bytes)>>>;

/// The channel's own server.
async fn messenger() -> (String, Posted) {
    let posted = Posted::default();
    let inbox = Arc::clone(&posted);
    let receive = post(move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers["x-signature"].to_str().unwrap().to_owned();
        inbox.lock().unwrap().push((signature, body));
    });
    let router = Router::new().route("/hook/{scope}", receive);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/hook/:scope_id"), posted)
}

pub async fn chats(stage: Stage) {
    let (url, posted) = messenger().await;
    let registered = stage.emulator.register_channel(NewChatChannel {
        webhook_url: Some(url),
        ..NewChatChannel::default()
    });
    let builder = |secret: &str| -> ChatChannel {
        Client::builder("amojo.amocrm.ru")
            .transport(stage.emulator.router())
            .limits(Limits::per_integration(2_000))
            .layer(stage.recorder.clone())
            .chat_channel(registered.id.as_str(), secret.to_owned())
            .unwrap()
    };
    let account = stage.client.account().get().with([AccountWith::AmojoId]);
    let amojo_id = account.await.unwrap().amojo_id.unwrap();

    let wrong = builder("another-secret").connect(amojo_id.as_str(), "x");
    assert_eq!(
        wrong.await.unwrap_err().kind(),
        amocrm_sdk::ErrorKind::Forbidden
    );
    let channel = builder(&registered.secret);
    let connected = channel.connect(amojo_id.as_str(), "Мой мессенджер");
    let connected = connected.await.unwrap();
    let account = channel.account(amojo_id.as_str());
    assert_eq!(account.scope_id(), &connected.scope_id);

    let anna = || ChatUser::new("u-1", "Анна").phone("+79001234567");
    let chat = account.create_chat(NewChat::new("c-1", anna()));
    let chat = chat.await.unwrap();
    belongs_to_a_contact(&stage.client, chat.id.as_str()).await;
    let question = NewMessage::new(
        "m-1",
        "c-1",
        anna(),
        MessageContent::text("Вилла свободна?"),
    );
    let sent = account.send(question).await.unwrap();
    assert_eq!(sent.own_id(), Some("m-1"));
    let better = MessageContent::text("Вилла свободна в мае?");
    let edited = EditMessage::new("m-1", "c-1", better);
    account.edit(edited).await.unwrap();
    account.typing("c-1", "u-1").await.unwrap();
    account.react("c-1", "m-1", &anna(), "👍").await.unwrap();
    account.unreact("c-1", "m-1", &anna()).await.unwrap();

    let wrote = stage
        .emulator
        .write_in_chat(chat.id.as_str(), "Да, свободна");
    assert_eq!(wrote.await.unwrap(), Some(200));
    let (signature, body) = posted.lock().unwrap()[0].clone();
    assert!(channel.verify(&signature, &body));
    let ChatEvent::Message(answer) = ChatHook::parse(&body).unwrap().event else {
        panic!("no message")
    };
    assert_eq!(answer.message.text, "Да, свободна");
    assert_eq!(answer.conversation.client_id.as_deref(), Some("c-1"));
    let status = account.delivery_status(&answer.message.id, DeliveryStatus::Read);
    status.await.unwrap();

    let history: Vec<_> = account
        .history(&chat.id)
        .limit(1)
        .stream()
        .try_collect()
        .await
        .unwrap();
    let mut texts: Vec<_> = history
        .iter()
        .map(|told| told.message.text.as_str())
        .collect();
    texts.sort_unstable();
    assert_eq!(texts, ["Вилла свободна в мае?", "Да, свободна"]);
    channel.disconnect(amojo_id.as_str()).await.unwrap();
}

/// A chat of the chat service is linked to a contact of the account, and found from both ends.
async fn belongs_to_a_contact(client: &Client, chat: &str) {
    let anna = client.contacts().create([NewContact::new().name("Анна")]);
    let anna = anna.await.unwrap()[0].id;
    let chats = client.contacts().chats();
    let linked = chats.link([NewContactChat::new(anna, chat)]).await.unwrap();
    assert_eq!(linked[0].chat_id, chat);
    for filter in [
        ContactChatFilter::new().contacts([anna]),
        ContactChatFilter::new().chats([chat.to_owned()]),
    ] {
        let found = chats.list().filter(filter).all().await.unwrap();
        assert_eq!(found, linked);
    }
}
