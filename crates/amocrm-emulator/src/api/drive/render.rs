//! Files as the file service answers them.

use serde_json::{Value, json};

use crate::{
    api::call::Context,
    world::{Author, File, FileVersion},
};

/// The file model, about its current version. Previews are never made: `previews` is null.
pub(super) fn file(cx: &Context<'_>, file: &File) -> Value {
    let version = file.version(&file.main_version).or(file.versions.last());
    let (size, mime, extension) = version.map_or((0, "", String::new()), |version| {
        (
            version.size,
            version.mime_type.as_str(),
            version.extension(),
        )
    });
    json!({
        "uuid": file.uuid,
        "type": kind(mime),
        "is_trashed": file.deleted_at.is_some(),
        "name": file.name,
        "sanitized_name": sanitized(&file.name),
        "size": size,
        "source_id": file.source_id,
        "version_uuid": file.main_version,
        "has_multiple_versions": file.versions.len() > 1,
        "created_at": file.created_at,
        "created_by": author(&file.created_by),
        "updated_at": file.updated_at,
        "updated_by": author(&file.updated_by),
        "deleted_at": file.deleted_at,
        "deleted_by": file.deleted_by.as_ref().map(author),
        "metadata": {"extension": extension, "mime_type": mime},
        "previews": null,
        "_links": {
            "self": {"href": format!("{}/v1.0/files/{}", cx.base(), file.uuid)},
            "download": {"href": download_url(cx, &file.uuid, None, &file.name)},
            "download_version": {"href": download_url(cx, &file.uuid, Some(&file.main_version), &file.name)},
        },
    })
}

/// One version of a file.
pub(super) fn version(cx: &Context<'_>, file: &File, version: &FileVersion) -> Value {
    json!({
        "uuid": version.uuid,
        "file_uuid": file.uuid,
        "is_main": version.uuid == file.main_version,
        "type": kind(&version.mime_type),
        "name": version.name,
        "sanitized_name": sanitized(&version.name),
        "size": version.size,
        "created_at": version.created_at,
        "created_by": author(&version.created_by),
        "metadata": {"extension": version.extension(), "mime_type": version.mime_type},
        "previews": null,
        "_links": {
            "download": {"href": download_url(cx, &file.uuid, Some(&version.uuid), &version.name)},
        },
    })
}

fn author(author: &Author) -> Value {
    json!({"id": author.id, "type": author.kind})
}

fn download_url(cx: &Context<'_>, file: &str, version: Option<&str>, name: &str) -> String {
    let version = version.map_or(String::new(), |version| format!("{version}/"));
    let name = sanitized(name);
    format!(
        "{}/download/{}/{file}/{version}{name}",
        cx.base(),
        cx.account.uuid
    )
}

fn kind(mime: &str) -> &'static str {
    match mime.split_once('/') {
        Some(("image", _)) => "image",
        Some(("video", _)) => "video",
        Some(("audio", _)) => "audio",
        Some(("text", _)) => "document",
        Some(("application", rest))
            if rest == "pdf" || rest == "msword" || rest.contains("document") =>
        {
            "document"
        }
        _ => "file",
    }
}

/// What may stand in a path or a header as it is.
pub(super) fn sanitized(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}
