//! A file in parts, a new version of it, and what it is attached to: `cargo run --example file_upload`.
//!
//! The file is a stream: one part of it is in memory at a time, however large it is.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::files::UploadBody;
use amocrm_sdk::leads::NewLead;
use futures_util::{TryStreamExt, stream};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let lead = client
        .leads()
        .create([NewLead::new().name("Вилла")])
        .await?[0]
        .id;

    // Twenty pieces of 100 KB, made when they are asked for.
    let pieces =
        stream::iter((0..20_u8).map(|number| Ok::<_, std::io::Error>(vec![number; 100_000])));
    let file = client
        .files()
        .upload("план.pdf", UploadBody::stream(2_000_000, pieces))
        .content_type("application/pdf")
        .on_progress(|progress| println!("{} of {} bytes", progress.sent, progress.total))
        .await?;
    client.entity_files(lead).attach([&file.uuid]).await?;

    let mut pieces = client.files().download(&file).stream().await?;
    let mut size = 0;
    while let Some(piece) = pieces.try_next().await? {
        size += piece.len();
    }
    println!("downloaded {size} bytes");
    anyhow::ensure!(size == 2_000_000);

    client
        .files()
        .upload("план.pdf", b"second edition".as_slice())
        .version_of(&file.uuid)
        .await?;
    let versions = client.files().versions(&file.uuid).all().await?;
    println!("{} versions", versions.len());
    anyhow::ensure!(versions.len() == 2);

    let attached = client.entity_files(lead).list().all().await?;
    anyhow::ensure!(attached.len() == 1 && attached[0].file_uuid == file.uuid);
    Ok(())
}
