//! The `lead-intake` binary.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lead_intake::{App, Config, dead_letters, doctor, provision, reconcile};
use service_kit::config::Environment;
use service_kit::{shutdown, telemetry};

/// Takes leads from sites and delivers each to amoCRM exactly once.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// A TOML file with settings; the environment wins over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Default, Subcommand)]
enum Command {
    /// Serves the HTTP interface and delivers leads (the default).
    #[default]
    Serve,
    /// Creates what the account lacks: the pipeline with its stages, the field for intake ids, the webhook.
    Provision(provision::Arguments),
    /// Checks configuration, database, clock and account, and says what to do about each failure.
    Doctor(doctor::Arguments),
    /// Lists, retries or drops what nobody could do.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// The same as `dead-letters retry --all`.
    Retry,
    /// Asks the service that runs on this machine how it is; exit status 0 if it takes leads. For containers.
    Health,
    /// Asks amoCRM for what webhooks missed, and repairs it; `serve` does it every hour.
    Reconcile(reconcile::Arguments),
    /// Brings the database's tables up to date; `serve` does it as well.
    Migrate,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // The log may not have been started yet, or be in a file.
            let _ = writeln!(std::io::stderr(), "lead-intake: {error:#}");
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
    let _telemetry = telemetry::init(&config.log, "lead-intake")?;
    match cli.command.unwrap_or_default() {
        Command::Serve => {
            let token = shutdown::on_signal()?;
            App::open(config).await?.run(token).await?;
        }
        Command::Provision(arguments) => {
            let app = App::open(config).await?;
            provision::run(&app, &arguments, &mut out).await?;
        }
        Command::Doctor(arguments) => {
            return Ok(doctor::run(config, arguments, &mut out).await?.exit_code());
        }
        Command::Retry => {
            let app = App::open(config).await?;
            let all = dead_letters::Command::Retry(dead_letters::Which::all());
            dead_letters::run(&app, &all, &mut out).await?;
        }
        Command::DeadLetters(command) => {
            let app = App::open(config).await?;
            dead_letters::run(&app, &command, &mut out).await?;
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
        Command::Reconcile(arguments) => {
            let app = App::open(config).await?;
            reconcile::run(&app, &arguments, &mut out).await?;
        }
        Command::Migrate => {
            let app = App::open(config).await?;
            writeln!(out, "{}: the tables are up to date", app.config().database)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
