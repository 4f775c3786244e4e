//! Nothing that must stay secret is in the logs, and no token is readable in the database.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::house::{GATEWAY, INTAKE, LESSONS, shown};
use crate::story::visitor::PRIVATE;
use crate::story::{Stage, course};
use crate::teller::{Broken, Expecting as _, Failed, Step, Teller, Told, ensure};
use crate::words::{Language, say};

/// How access tokens (JSON web tokens) and refresh tokens begin.
const TOKENS: [&str; 2] = ["eyJ", "def50200"];

/// Reads every file that was left behind.
pub(super) async fn kept(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    teller.step(async { search(language, stage) }).await
}

fn search(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected =
        "no token, secret, phone or e-mail in the logs, no token or secret in the databases";
    let emulator = stage.house.emulator().expecting(expected)?;
    let secret = emulator.credentials().client_secret.as_str();
    let signing = stage.house.signing_secret.as_str();
    let mut lines = 0;
    for file in files(&stage.house.workshop.logs()).expecting(expected)? {
        let content = read(&file).expecting(expected)?;
        lines += content
            .split(|byte| *byte == b'\n')
            .count()
            .saturating_sub(1);
        let private = PRIVATE.iter().chain([&course::MAILBOX]);
        for needle in TOKENS.iter().chain(private).chain([&secret, &signing]) {
            absent(&file, &content, needle, expected)?;
        }
    }
    ensure(lines > 0, "logs that hold something", "empty logs")?;
    let mut bytes = 0;
    // The write-ahead log is a part of the database.
    let parts = [INTAKE, GATEWAY, LESSONS]
        .into_iter()
        .flat_map(|service| ["", "-wal"].map(|suffix| (service, suffix)));
    for (service, suffix) in parts {
        let mut file = stage.house.workshop.database(service).into_os_string();
        file.push(suffix);
        let file = PathBuf::from(file);
        if !file.exists() {
            continue;
        }
        let content = read(&file).expecting(expected)?;
        bytes += content.len();
        for needle in TOKENS.iter().chain([&secret, &signing]) {
            absent(&file, &content, needle, expected)?;
        }
    }
    let (logs, kib) = (shown(&stage.house.workshop.logs()), bytes.div_ceil(1024));
    let told = Told::new(say!(
        language,
        "The logs hold no token, secret, phone or e-mail; the databases hold no readable token or secret",
        "В журналах нет токенов, секретов, телефонов и e-mail; в базах токены и секреты не прочесть"
    ))
    .detail(say!(
        language,
        "searched: {lines} lines in {logs}, {kib} KiB of the databases",
        "просмотрено: строк {lines} в {logs}, {kib} КиБ баз"
    ));
    Ok(((), told))
}

/// Does not repeat what was found.
fn absent(file: &Path, content: &[u8], needle: &str, expected: &str) -> Result<(), Failed> {
    let found = content
        .windows(needle.len())
        .any(|window| window == needle.as_bytes());
    ensure(
        !found,
        expected,
        format!(
            "{} holds something of {} characters that it must not",
            shown(file),
            needle.len()
        ),
    )
}

fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| shown(directory))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| shown(file))
}
