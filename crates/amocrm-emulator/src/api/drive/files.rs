//! `/v1.0/files`: list, look at, rename, throw away, take back.

use serde_json::{Map, Value, json};

use super::{filter::FileFilter, render};
use crate::{
    api::{call::Context, reader::Reader},
    hal::{Answer, Reply, self_link},
    problem::{Problem, Violations},
    world::{Author, File},
};

/// Files, newest first.
pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let now = cx.now();
    cx.account.drive.expire(now);
    let query = cx.query();
    let filter = FileFilter::of(query, now, cx.account.utc_offset_seconds)?;
    let mut found: Vec<&File> = cx
        .account
        .drive
        .files
        .values()
        .filter(|file| filter.admits(file))
        .collect();
    found.sort_by_key(|file| std::cmp::Reverse((file.updated_at, file.created_at, &file.uuid)));
    let (page, limit) = (query.page(), query.limit());
    let rest = found
        .get((page - 1).saturating_mul(limit)..)
        .unwrap_or_default();
    if rest.is_empty() {
        return Ok(Reply::no_content());
    }
    let files: Vec<Value> = rest
        .iter()
        .take(limit)
        .map(|file| render::file(cx, file))
        .collect();
    let href = |page: usize| json!({"href": format!("{}?{}", cx.url(), query.with_page(page))});
    let mut links = json!({"self": href(page)});
    if rest.len() > limit {
        links["next"] = href(page + 1);
    }
    if page > 1 {
        links["prev"] = href(page - 1);
    }
    Ok(Reply::ok(json!({
        "_count": files.len(),
        "_links": links,
        "_embedded": {"files": files},
    })))
}

/// One file; one in the trash only `with=deleted`.
pub(super) fn show(cx: &mut Context<'_>) -> Answer {
    tidy(cx);
    Ok(Reply::ok(render::file(cx, find(cx)?)))
}

/// The versions of a file, newest first.
pub(super) fn versions(cx: &mut Context<'_>) -> Answer {
    tidy(cx);
    let file = find(cx)?;
    let versions: Vec<Value> = file
        .versions
        .iter()
        .rev()
        .map(|version| render::version(cx, file, version))
        .collect();
    Ok(Reply::ok(json!({
        "_links": self_link(&cx.url()),
        "_embedded": {"versions": versions},
    })))
}

/// Renames a file, or makes another version the current one; one of the two at a time.
pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    item.only(&["name", "version_uuid"], &mut out);
    let name = item.string("name", &mut out);
    let version = item.string("version_uuid", &mut out);
    if name.is_some_and(|name| name.trim().is_empty()) {
        out.push("NotBlank", "name", "This value should not be blank.");
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    if name.is_some() == version.is_some() {
        return Err(Problem::bad_request(
            "Either name or version_uuid is expected, not both",
        ));
    }
    tidy(cx);
    let uuid = find(cx)?.uuid.clone();
    let (now, author) = (cx.now(), actor(cx));
    let Some(file) = cx.account.drive.files.get_mut(&uuid) else {
        return Err(not_found());
    };
    if let Some(name) = name {
        name.clone_into(&mut file.name);
    }
    if let Some(version) = version {
        if file.version(version).is_none() {
            return Err(Problem::choice("version_uuid"));
        }
        version.clone_into(&mut file.main_version);
    }
    file.updated_at = now;
    file.updated_by = author;
    show(cx)
}

/// Puts files into the trash, all of them or none.
pub(super) fn delete_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items()?;
    let uuids = uuids(&items)?;
    if uuids
        .iter()
        .any(|uuid| cx.account.drive.live(uuid).is_none())
    {
        return Err(not_found());
    }
    let (now, author) = (cx.now(), actor(cx));
    for uuid in uuids {
        if let Some(file) = cx.account.drive.files.get_mut(uuid) {
            file.deleted_at = Some(now);
            file.deleted_by = Some(author.clone());
        }
    }
    Ok(Reply::no_content())
}

/// Takes files out of the trash, all of them or none.
pub(super) fn restore_many(cx: &mut Context<'_>) -> Answer {
    tidy(cx);
    let items = cx.items()?;
    let uuids = uuids(&items)?;
    let files = &mut cx.account.drive.files;
    if uuids.iter().any(|uuid| !files.contains_key(*uuid)) {
        return Err(not_found());
    }
    for uuid in &uuids {
        if let Some(file) = files.get_mut(*uuid) {
            file.deleted_at = None;
            file.deleted_by = None;
        }
    }
    let restored: Vec<Value> = uuids
        .iter()
        .filter_map(|uuid| cx.account.drive.live(uuid))
        .map(|file| render::file(cx, file))
        .collect();
    Ok(Reply::ok(
        json!({"_links": self_link(&cx.url()), "_embedded": {"files": restored}}),
    ))
}

fn tidy(cx: &mut Context<'_>) {
    let now = cx.now();
    cx.account.drive.expire(now);
}

/// The file the path names.
fn find<'a>(cx: &'a Context<'_>) -> Result<&'a File, Problem> {
    let with_deleted = cx.query().with("deleted");
    cx.account
        .drive
        .files
        .get(cx.param("uuid"))
        .filter(|file| with_deleted || file.deleted_at.is_none())
        .ok_or_else(not_found)
}

/// The `uuid` of every item.
fn uuids(items: &[Map<String, Value>]) -> Result<Vec<&str>, Problem> {
    let mut out = Violations::default();
    let uuids = items
        .iter()
        .map(|item| Reader::new(item).required_string("uuid", &mut out));
    let uuids: Vec<&str> = uuids.map(Option::unwrap_or_default).collect();
    if out.is_empty() {
        Ok(uuids)
    } else {
        Err(Problem::invalid(out))
    }
}

fn actor(cx: &Context<'_>) -> Author {
    Author {
        id: i64::try_from(cx.user_id()).unwrap_or_default(),
        kind: "internal".to_owned(),
    }
}

fn not_found() -> Problem {
    Problem::not_found("File not found")
}
