//! The emulator as a program.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use amocrm_emulator::{Credentials, CustomersMode, Emulator, Seed};
use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

/// An amoCRM on localhost.
#[derive(Debug, Parser)]
#[command(name = "amocrm-emulator", version, about)]
struct Arguments {
    /// Where to serve plain HTTP and the forward proxy; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8900")]
    listen: String,

    /// Requests per second of one integration, or "off".
    #[arg(long, value_name = "N|off", default_value = "7", value_parser = parse_rate_limit)]
    rate_limit: RateLimit,

    /// What the account holds when there is no state file yet.
    #[arg(long, value_enum, default_value = "asia-deals")]
    seed: SeedName,

    /// Keep everything in this file across restarts.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Serve TLS on this port of the same host; port 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    tls_port: Option<u16>,

    /// Where the certificate authority is kept [default with --tls-port: var/amocrm-emulator]. Also switches on CONNECT.
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,

    /// A redirect URI registered for the integration; may be given several times, the first is used by the consent page
    /// [default: http://localhost:8000/api/auth/amo/callback].
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,

    /// How long searches do not find what was just written, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    index_delay_ms: u64,

    /// How the account works with customers, which are off unless a client switches them on.
    #[arg(long, value_enum, value_name = "MODE")]
    customers: Option<CustomersName>,

    /// Print one JSON line with addresses and credentials instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
struct RateLimit(Option<u32>);

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeedName {
    AsiaDeals,
    Empty,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CustomersName {
    Segments,
    Periodicity,
    Unavailable,
}

fn parse_rate_limit(text: &str) -> Result<RateLimit, String> {
    if text == "off" {
        return Ok(RateLimit(None));
    }
    match text.parse::<u32>() {
        Ok(limit) if limit > 0 => Ok(RateLimit(Some(limit))),
        _ => Err("expected a number above 0, or \"off\"".to_owned()),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Who reads the JSON is a program, which may never read the pipe that stderr is: what is full blocks the writer.
    let level = if arguments.json { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();

    let listen = resolve(&arguments.listen).await?;
    let mut builder = Emulator::builder()
        .listen(listen)
        .rate_limit(arguments.rate_limit.0)
        .seed(match arguments.seed {
            SeedName::AsiaDeals => Seed::AsiaDeals,
            SeedName::Empty => Seed::Empty,
        })
        .index_delay(Duration::from_millis(arguments.index_delay_ms));
    if let Some(state) = arguments.state {
        builder = builder.state(state);
    }
    let tls_dir = arguments
        .tls_dir
        .clone()
        .unwrap_or_else(|| PathBuf::from("var/amocrm-emulator"));
    match arguments.tls_port {
        Some(port) => builder = builder.tls(SocketAddr::new(listen.ip(), port), tls_dir),
        None if arguments.tls_dir.is_some() => builder = builder.tls_dir(tls_dir),
        None => {}
    }
    for uri in arguments.redirect_uri {
        builder = builder.redirect_uri(uri);
    }
    if let Some(customers) = arguments.customers {
        builder = builder.customers(match customers {
            CustomersName::Segments => CustomersMode::Segments,
            CustomersName::Periodicity => CustomersMode::Periodicity,
            CustomersName::Unavailable => CustomersMode::Unavailable,
        });
    }
    // Before the first line is printed: whoever reads it may send the signal at once.
    let stop = stop_signal()?;
    let emulator = builder.start().await?;
    announce(emulator.credentials(), arguments.json)?;
    stop.await;
    tracing::info!("stopping");
    emulator.shutdown().await;
    Ok(())
}

async fn resolve(listen: &str) -> anyhow::Result<SocketAddr> {
    let mut addresses = tokio::net::lookup_host(listen)
        .await
        .with_context(|| format!("--listen {listen}: expected HOST:PORT"))?;
    addresses
        .next()
        .with_context(|| format!("--listen {listen}: the host has no address"))
}

#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the signal there is nothing to wait for but the end of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn announce(credentials: &Credentials, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string(credentials)?)?;
        return Ok(out.flush()?);
    }
    let c = credentials;
    writeln!(
        out,
        "amoCRM emulator on {} (control API: {}/_emulator/)",
        c.base_url, c.base_url
    )?;
    if let Some(tls) = &c.tls_base_url {
        writeln!(out, "TLS on {tls}")?;
    }
    if let Some(ca_file) = &c.ca_file {
        writeln!(
            out,
            "For clients that insist on https://{}.amocrm.ru: HTTPS_PROXY={} and trust {}",
            c.subdomain,
            c.base_url,
            ca_file.display()
        )?;
    }
    writeln!(out, "\n# Ready to paste into .env")?;
    let lines = [
        ("AMOCRM_BASE_URL", &c.base_url),
        ("AMOCRM_SUBDOMAIN", &c.subdomain),
        ("AMOCRM_CLIENT_ID", &c.client_id),
        ("AMOCRM_CLIENT_SECRET", &c.client_secret),
        ("AMOCRM_REDIRECT_URI", &c.redirect_uri),
        ("AMOCRM_ACCESS_TOKEN", &c.long_lived_token),
    ];
    for (name, value) in lines {
        writeln!(out, "{name}={value}")?;
    }
    writeln!(
        out,
        "\n# An authorization code (20 minutes, one use)\n{}",
        c.code
    )?;
    writeln!(
        out,
        "\n# Connect a program by hand: {}/oauth?client_id={}&state=demo",
        c.base_url, c.client_id
    )?;
    Ok(out.flush()?)
}
