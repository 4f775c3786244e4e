//! `webhook-gateway listen --forward http://localhost:3000`: the events of a running gateway, brought to a program on a
//! developer's machine, signed as a subscriber gets them.
//!
//! A developer looks at what happens and starts it again; so an event is forwarded once, in order, and what the program
//! answers is a line on the screen. Only a subscriber's deliveries are repeated.

use std::io::Write;
use std::time::Duration;

use amocrm_sdk::webhook::CLOUD_EVENTS_JSON;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::header;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::clock::{Clock as _, SharedClock, SystemClock};
use service_kit::signature::SigningKeys;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::line::{Colour, Paint};
use super::stream::{Heard, Source, Stream, Told, in_short};
use super::tail::{line, silently};
use crate::config::Config;

/// Arguments of `listen`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Where events are sent, such as http://localhost:3000/webhooks.
    #[arg(long, value_name = "URL")]
    forward: Url,
    #[command(flatten)]
    source: Source,
    /// The secret that signs, whsec_…; without it one is made.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// How long the receiver may take to answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Ends after so many events.
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
    /// Whether lines are coloured.
    #[arg(long, value_enum, default_value_t)]
    color: Colour,
}

/// Forwards events until the token is cancelled.
pub(super) async fn run(
    config: &Config,
    arguments: &Arguments,
    is_terminal: bool,
    shutdown: &CancellationToken,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let paint = Paint(arguments.color.is_on(is_terminal));
    let receiver = Receiver::new(arguments, SystemClock::shared())?;
    let stream = Stream::new(&arguments.source, config, SystemClock.now())?;
    let gateway = stream.gateway();
    writeln!(out, "signing secret: {}", receiver.secret.expose_secret())?;
    writeln!(out, "forwarding {gateway} to {}", shown(&arguments.forward))?;
    out.flush()?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut is_lost = false;
    let told = stream.read(shutdown, async |heard| {
        match heard {
            Heard::Connected => {
                let word = if is_lost {
                    "connected again"
                } else {
                    "connected"
                };
                is_lost = false;
                writeln!(out, "{}", paint.quiet(word))?;
            }
            Heard::Lost(why) => {
                // Said once for an outage, not at every attempt.
                if !is_lost {
                    let text = format!(
                        "the gateway is away, it is tried again: {}",
                        super::line::plain(&why)
                    );
                    writeln!(out, "{}", paint.bad(&text))?;
                }
                is_lost = true;
            }
            Heard::Event(told) => {
                let Some(answer) = shutdown.run_until_cancelled(receiver.deliver(&told)).await
                else {
                    return Ok(false);
                };
                let answer = match answer {
                    Answered {
                        told,
                        is_good: true,
                    } => paint.good(&told),
                    Answered {
                        told,
                        is_good: false,
                    } => paint.bad(&told),
                };
                writeln!(out, "{}  → {answer}", line(&told, paint))?;
                left = left.saturating_sub(1);
            }
        }
        out.flush()?;
        Ok(left > 0)
    });
    silently(told.await)
}

/// The program that is developed.
struct Receiver {
    client: Client,
    url: Url,
    secret: SecretString,
    keys: SigningKeys,
    clock: SharedClock,
}

struct Answered {
    told: String,
    is_good: bool,
}

impl Receiver {
    fn new(arguments: &Arguments, clock: SharedClock) -> anyhow::Result<Self> {
        let url = arguments.forward.clone();
        if !matches!(url.scheme(), "http" | "https") {
            anyhow::bail!("--forward: expected an address such as http://localhost:3000/webhooks");
        }
        let secret = match &arguments.secret {
            Some(secret) => SecretString::from(secret.clone()),
            None => new_secret()?,
        };
        let keys = SigningKeys::parse(&secret)
            .map_err(|expected| anyhow::anyhow!("--secret: expected {expected}"))?;
        let client = Client::builder()
            .timeout(Duration::from_secs(arguments.timeout))
            // A subscriber's deliveries do not follow them either.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client can be made")?;
        Ok(Self {
            client,
            url,
            secret,
            keys,
            clock,
        })
    }

    async fn deliver(&self, told: &Told) -> Answered {
        let failed = |told: String| Answered {
            told,
            is_good: false,
        };
        let body = told.envelope.clone();
        let Some(headers) = self
            .keys
            .headers(&told.head.id, self.clock.now(), body.as_bytes())
        else {
            return failed("the event's id cannot stand in a header".to_owned());
        };
        let started = Instant::now();
        let sent = self
            .client
            .post(self.url.clone())
            .headers(headers)
            .header(header::CONTENT_TYPE, CLOUD_EVENTS_JSON)
            .body(body)
            .send()
            .await;
        let took = started.elapsed().as_millis();
        match sent {
            Ok(answer) => Answered {
                told: format!("{} in {took} ms", answer.status().as_u16()),
                is_good: answer.status().is_success(),
            },
            Err(error) => failed(format!(
                "{} after {took} ms",
                super::line::plain(&in_short(&error))
            )),
        }
    }
}

/// A new secret of the scheme: 32 random bytes.
pub(crate) fn new_secret() -> anyhow::Result<SecretString> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(SecretString::from(format!(
        "whsec_{}",
        STANDARD.encode(bytes)
    )))
}

/// The address without what it may hold of passwords.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
