//! The `webhook-gateway` binary.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service_kit::config::Environment;
use service_kit::{shutdown, telemetry};
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Choice, Config, Status, Subscribe, doctor, operate};

/// Takes amoCRM's webhooks and delivers each event, in order, to whoever subscribed.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// A TOML file with settings; the environment wins over it. Accounts and subscribers stand in gateway.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Default, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and clap flattens no boxes"
)]
enum Command {
    /// Takes webhooks and delivers events (the default).
    #[default]
    Serve,
    /// Has amoCRM send webhooks to this service; needs PUBLIC_URL.
    Subscribe(Subscribe),
    /// Says whether amoCRM sends webhooks to this service; exit status 0 if all accounts do.
    Status(Status),
    /// Has amoCRM send no more.
    Unsubscribe(Choice),
    /// Checks configuration, database, clock, accounts and subscribers, and says what to do about each failure.
    Doctor(doctor::Arguments),
    /// Asks the service that runs on this machine how it is; exit status 0 if it takes webhooks. For containers.
    Health,
    /// Brings the database's tables up to date; `serve` does it as well.
    Migrate,
    #[command(flatten)]
    Operate(operate::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // The log may not have been started yet, or be in a file.
            let _ = writeln!(std::io::stderr(), "webhook-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let config = match (
        Config::load(Environment::of_process()?, cli.config.as_deref()),
        &cli.command,
    ) {
        (Err(errors), Some(Command::Doctor(arguments))) => {
            return Ok(doctor::misconfigured(&errors, *arguments, &mut out)?.exit_code());
        }
        (config, _) => config?,
    };
    let _telemetry = telemetry::init(&config.log, "webhook-gateway")?;
    match cli.command.unwrap_or_default() {
        Command::Serve => {
            let token = shutdown::on_signal()?;
            App::open(config).await?.run(token).await?;
        }
        Command::Doctor(arguments) => {
            return Ok(doctor::run(config, arguments, &mut out).await?.exit_code());
        }
        Command::Subscribe(arguments) => {
            let app = App::open(config).await?;
            app.subscribe(&arguments, &mut out).await?;
        }
        Command::Status(arguments) => {
            let app = App::open(config).await?;
            if !app.status(&arguments, &mut out).await? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Unsubscribe(choice) => {
            let app = App::open(config).await?;
            app.unsubscribe(&choice, &mut out).await?;
        }
        Command::Health => {
            let report = service_kit::health::probe(&config.server).await?;
            for part in &report.parts {
                writeln!(out, "{}: {}", part.name, part.detail)?;
            }
            if !report.ready {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Migrate => {
            let app = App::open(config).await?;
            writeln!(out, "{}: the tables are up to date", app.config().database)?;
        }
        Command::Operate(command) => {
            let is_terminal = out.is_terminal();
            let token = if command.is_endless() {
                shutdown::on_signal()?
            } else {
                CancellationToken::new()
            };
            operate::run(config, &command, is_terminal, &token, &mut out).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
