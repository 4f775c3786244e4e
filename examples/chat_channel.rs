//! A messenger of your own as a channel of amoCRM: `cargo run --example chat_channel`.
//!
//! A client asks, a user of the account answers, and the channel's server hears of it. The emulator registers the channel,
//! which amoCRM's support does for real ones.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::time::Duration;

use amocrm_emulator::{Emulator, NewChatChannel};
use amocrm_sdk::Client;
use amocrm_sdk::account::AccountWith;
use amocrm_sdk::chats::{
    ChatChannel, ChatEvent, ChatHook, ChatUser, DeliveryStatus, MessageContent, NewChat,
    NewMessage, verify,
};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECRET: &str = "a-channel-secret";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The channel's server: verify, store, answer 200. amoCRM posts once.
    let (received, mut hooks) = mpsc::unbounded_channel();
    let receive = move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers.get("x-signature");
        let signature = signature.and_then(|signature| signature.to_str().ok());
        if !verify(SECRET, signature.unwrap_or_default(), &body) {
            return StatusCode::FORBIDDEN;
        }
        let _ = received.send(body);
        StatusCode::OK
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook/:scope_id", listener.local_addr()?);
    let router = Router::new().route("/hook/{scope_id}", post(receive));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let emulator = Emulator::start().await?;
    let registered = emulator.register_channel(NewChatChannel {
        secret: Some(SECRET.to_owned()),
        webhook_url: Some(url),
        ..NewChatChannel::default()
    });
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;
    let channel: ChatChannel = Client::builder("amojo.amocrm.ru")
        .base_url(emulator.base_url())
        .chat_channel(registered.id, SECRET)?;

    let account = client.account().get().with([AccountWith::AmojoId]).await?;
    let amojo_id = account
        .amojo_id
        .ok_or_else(|| anyhow::anyhow!("no chats here"))?;
    channel.connect(amojo_id.as_str(), "Мой мессенджер").await?;
    let account = channel.account(amojo_id.as_str());

    let anna = ChatUser::new("u-1", "Анна").phone("+79001234567");
    let chat = account
        .create_chat(NewChat::new("c-1", anna.clone()))
        .await?;
    let question = MessageContent::text("Вилла свободна в мае?");
    let sent = account
        .send(NewMessage::new("m-1", "c-1", anna, question))
        .await?;
    println!("the client asked; amoCRM calls it {}", sent.id());

    emulator
        .write_in_chat(chat.id.as_str(), "Да, свободна")
        .await
        .map_err(anyhow::Error::msg)?;
    let body = tokio::time::timeout(Duration::from_secs(5), hooks.recv()).await?;
    let body = body.ok_or_else(|| anyhow::anyhow!("nothing came"))?;
    let ChatEvent::Message(answer) = ChatHook::parse(&body)?.event else {
        anyhow::bail!("expected a message")
    };
    println!("the user answered: {}", answer.message.text);
    account
        .delivery_status(&answer.message.id, DeliveryStatus::Delivered)
        .await?;
    anyhow::ensure!(answer.conversation.client_id.as_deref() == Some("c-1"));
    anyhow::ensure!(account.history(&chat.id).page(0).await?.len() == 2);
    Ok(())
}
