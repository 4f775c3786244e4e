//! `POST /v1.0/sessions` and the parts that follow it.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::render;
use crate::{
    answer::random_hex,
    api::{call::Context, reader::Reader},
    hal::{Answer, Reply},
    problem::{Problem, Violations},
    world::{Author, File, FileVersion, Upload},
};

/// The largest file (03 §7.10).
const MAX_FILE_SIZE: u64 = 314_572_800;
/// The largest part (03 §7.10).
const MAX_PART_SIZE: usize = 524_288;

/// Opens a session: from now on the parts are expected, in order.
pub(super) fn open(cx: &mut Context<'_>) -> Answer {
    let (now, object) = (cx.now(), cx.object()?);
    cx.account.drive.expire(now);
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let name = item
        .required_string("file_name", &mut out)
        .unwrap_or_default();
    if item.value("file_name").is_some() && name.trim().is_empty() {
        out.push("NotBlank", "file_name", "This value should not be blank.");
    }
    let size = item.required_id("file_size", &mut out).unwrap_or_default();
    if item.value("file_size").is_some() && !(1..=MAX_FILE_SIZE).contains(&size) {
        out.push(
            "NotInRange",
            "file_size",
            format!("This value should be between 1 and {MAX_FILE_SIZE}."),
        );
    }
    let mime_type = item.string("content_type", &mut out);
    item.bool("with_preview", &mut out);
    let file_uuid = item.string("file_uuid", &mut out);
    let author = author(cx, &item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    if file_uuid.is_some_and(|uuid| cx.account.drive.live(uuid).is_none()) {
        return Err(Problem::not_found("File not found"));
    }
    let session_id = cx.account.drive.next_session_id(cx.account.id);
    let upload = Upload {
        session_id,
        name: name.to_owned(),
        size: usize::try_from(size).unwrap_or(usize::MAX),
        mime_type: mime_type.map_or_else(|| guess_mime(name).to_owned(), str::to_owned),
        file_uuid: file_uuid.map(str::to_owned),
        author,
        created_at: now,
        received: Vec::new(),
        parts: Vec::new(),
    };
    let key = random_hex(16);
    let document = json!({
        "session_id": session_id,
        "upload_url": part_url(cx, &key, 0),
        "max_file_size": MAX_FILE_SIZE,
        "max_part_size": MAX_PART_SIZE,
    });
    cx.account.drive.uploads.insert(key, upload);
    Ok(Reply::ok(document))
}

/// Takes the next part; the last one makes the file. A part that came before, its answer being lost, gets the same answer again.
pub(super) fn take_part(cx: &mut Context<'_>) -> Answer {
    let now = cx.now();
    cx.account.drive.expire(now);
    let (key, body) = (cx.param("upload"), cx.body());
    let part = usize::try_from(cx.id("part")?).unwrap_or(usize::MAX);
    let Some(upload) = cx.account.drive.uploads.get_mut(key) else {
        return Err(Problem::not_found("Session not found"));
    };
    let session_id = upload.session_id;
    if upload.parts.get(part) == Some(&body.len()) {
        return Ok(next_part(cx, key, session_id, part + 1));
    }
    if part != upload.parts.len() {
        return Err(Problem::bad_request(
            "This part of the file is not expected",
        ));
    }
    if body.is_empty() || body.len() > MAX_PART_SIZE {
        return Err(Problem::bad_request(format!(
            "A part has 1 to {MAX_PART_SIZE} bytes"
        )));
    }
    if upload.received.len() + body.len() > upload.size {
        return Err(Problem::bad_request(
            "The parts are larger than file_size said",
        ));
    }
    upload.received.extend_from_slice(body);
    upload.parts.push(body.len());
    if upload.received.len() < upload.size {
        return Ok(next_part(cx, key, session_id, part + 1));
    }
    let Some(upload) = cx.account.drive.uploads.remove(key) else {
        return Err(Problem::not_found("Session not found"));
    };
    let uuid = store(cx, upload);
    let file = cx
        .account
        .drive
        .live(&uuid)
        .ok_or_else(|| Problem::not_found("File not found"))?;
    let mut document = render::file(cx, file);
    document["session_id"] = session_id.into();
    Ok(Reply::ok(document))
}

/// Who is said to upload: the user, unless the client names somebody.
fn author(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Author {
    let named = item.child("created_by", out);
    let (id, kind) = named.map_or((None, None), |named| {
        (named.int("id", out), named.string("type", out))
    });
    Author {
        id: id.unwrap_or_else(|| i64::try_from(cx.user_id()).unwrap_or_default()),
        kind: kind.unwrap_or("internal").to_owned(),
    }
}

fn part_url(cx: &Context<'_>, key: &str, part: usize) -> String {
    format!("{}/v1.0/sessions/upload/{key}/{part}", cx.base())
}

fn next_part(cx: &Context<'_>, key: &str, session_id: u64, part: usize) -> Reply {
    let mut document = Map::new();
    document.insert("session_id".into(), session_id.into());
    document.insert("next_url".into(), part_url(cx, key, part).into());
    Reply::ok(Value::Object(document))
}

/// Makes a file, or a new version of one, of a complete upload; its uuid.
fn store(cx: &mut Context<'_>, upload: Upload) -> String {
    let now = cx.now();
    let version = FileVersion {
        uuid: Uuid::new_v4().to_string(),
        name: upload.name.clone(),
        size: upload.received.len() as u64,
        mime_type: upload.mime_type,
        created_at: now,
        created_by: upload.author.clone(),
        content: Some(Bytes::from(upload.received)),
    };
    let files = &mut cx.account.drive.files;
    // The file may have gone into the trash meanwhile; then the upload is a file of its own.
    let known = upload.file_uuid.filter(|uuid| {
        files
            .get(uuid)
            .is_some_and(|file| file.deleted_at.is_none())
    });
    if let Some(file) = known.as_ref().and_then(|uuid| files.get_mut(uuid)) {
        file.main_version.clone_from(&version.uuid);
        file.name = upload.name;
        file.updated_at = now;
        file.updated_by = upload.author;
        file.versions.push(version);
        return file.uuid.clone();
    }
    let uuid = Uuid::new_v4().to_string();
    let file = File {
        uuid: uuid.clone(),
        name: upload.name,
        source_id: None,
        main_version: version.uuid.clone(),
        versions: vec![version],
        created_at: now,
        created_by: upload.author.clone(),
        updated_at: now,
        updated_by: upload.author,
        deleted_at: None,
        deleted_by: None,
    };
    files.insert(uuid.clone(), file);
    uuid
}

/// The media type of a file whose sender does not say it.
fn guess_mime(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}
