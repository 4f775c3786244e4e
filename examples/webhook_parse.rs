//! amoCRM's webhooks as typed events: `cargo run --example webhook_parse`.
//!
//! It subscribes an address of its own to the emulated amoCRM, moves a deal there and reads what arrives.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::time::Duration;

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::fields::UTM_SOURCE;
use amocrm_sdk::leads::{NewLead, WON};
use amocrm_sdk::webhook::{self, Event, WebhookEvent};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    // The receiver: answer within 2 seconds, work afterwards.
    let (received, mut events) = mpsc::unbounded_channel();
    let receive = move |body: Bytes| async move {
        match webhook::parse(&body) {
            Ok(payload) => {
                for event in payload.events {
                    let _ = received.send(event);
                }
                StatusCode::OK
            }
            Err(error) => {
                println!("refused: {error}");
                StatusCode::BAD_REQUEST
            }
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/amo/secret", listener.local_addr()?);
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/amo/secret", post(receive))).await
    });

    client
        .webhooks()
        .subscribe(address, [WebhookEvent::AddLead, WebhookEvent::StatusLead])
        .await?;
    let lead = client
        .leads()
        .create([NewLead::new().name("Заявка").field(&UTM_SOURCE, "google")])
        .await?[0]
        .id;
    client.leads().update(lead).status(WON).await?;

    for expected in ["add", "status"] {
        let event = tokio::time::timeout(Duration::from_secs(5), events.recv()).await?;
        let Some(Event::Lead(event)) = event else {
            anyhow::bail!("expected an event of a lead")
        };
        println!(
            "{}: lead {}, status {:?} (before: {:?})",
            event.action, event.id, event.status_id, event.old_status_id
        );
        anyhow::ensure!(event.id == lead && event.action.to_string() == expected);
    }
    Ok(())
}
