//! The `lesson-sync` binary.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lesson_sync::{App, Config, commands, doctor};
use service_kit::config::Environment;
use service_kit::{shutdown, telemetry};

/// Moves a student's deal in amoCRM when they finish a lesson.
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
    /// Serves the HTTP interface and moves deals (the default).
    #[default]
    Serve,
    /// Checks configuration, database, account, pipelines and stages, and says what to do about each failure.
    Doctor(doctor::Arguments),
    /// Lists the account's pipelines and stages with their numbers.
    Pipelines,
    /// Looks for a student's deal and says why this one; changes nothing.
    FindLead(commands::FindLead),
    /// Asks amoCRM to tell of moved deals at PUBLIC_URL.
    Subscribe,
    /// Renews the tokens now.
    RefreshToken,
    /// Puts lessons that were given up back into the queue.
    Retry,
    /// Compares lessons that have ended with amoCRM again and moves what has fallen behind, forward only.
    Replay(commands::Replay),
    /// Counts what became of lessons.
    Stats(commands::Stats),
    /// Asks the service that runs on this machine how it is; exit status 0 if it takes lessons. For containers.
    Health,
    /// Brings the database's tables up to date; `serve` does it as well.
    Migrate,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // The log may not have been started yet, or be in a file.
            let _ = writeln!(std::io::stderr(), "lesson-sync: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let load = match cli.command {
        // Who looks for the numbers of stages has none yet.
        Some(Command::Pipelines | Command::RefreshToken | Command::Migrate) => Config::load_account,
        _ => Config::load,
    };
    let config = match (
        load(Environment::of_process()?, cli.config.as_deref()),
        &cli.command,
    ) {
        (Err(errors), Some(Command::Doctor(arguments))) => {
            return Ok(doctor::misconfigured(&errors, *arguments, &mut out)?.exit_code());
        }
        (config, _) => config?,
    };
    let _telemetry = telemetry::init(&config.log, "lesson-sync")?;
    match cli.command.unwrap_or_default() {
        Command::Serve => {
            let token = shutdown::on_signal()?;
            App::open(config).await?.run(token).await?;
        }
        Command::Doctor(arguments) => {
            return Ok(doctor::run(config, arguments, &mut out).await?.exit_code());
        }
        Command::Pipelines => commands::pipelines(&App::open(config).await?, &mut out).await?,
        Command::FindLead(arguments) => {
            let app = App::open(config).await?;
            if !commands::find_lead(&app, &arguments, &mut out).await? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::RefreshToken => {
            commands::refresh_token(&App::open(config).await?, &mut out).await?;
        }
        Command::Subscribe => commands::subscribe(&App::open(config).await?, &mut out).await?,
        Command::Retry => commands::retry(&App::open(config).await?, &mut out).await?,
        Command::Replay(arguments) => {
            commands::replay(&App::open(config).await?, &arguments, &mut out).await?;
        }
        Command::Stats(arguments) => {
            commands::stats(&App::open(config).await?, &arguments, &mut out).await?;
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
    }
    Ok(ExitCode::SUCCESS)
}
