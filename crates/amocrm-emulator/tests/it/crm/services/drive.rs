//! The file service.

use amocrm_emulator::{Emulator, Seed};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

use super::super::client::Crm;

const PART: usize = 524_288;

/// Sends a file in as many parts as it needs; the file model.
async fn upload(crm: &Crm, session: Value, content: &str) -> Value {
    let (status, opened) = crm.post("/v1.0/sessions", session).await;
    assert_eq!(status, 200, "{opened}");
    assert_eq!(opened["max_part_size"], PART);
    let mut url = opened["upload_url"].as_str().unwrap().to_owned();
    let mut rest = content;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART));
        rest = after;
        let (status, answer) = crm
            .send(Method::POST, crm.local(&url), Some(part.to_owned()))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["session_id"], opened["session_id"]);
        match answer["next_url"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => return answer,
        }
    }
}

async fn upload_text(crm: &Crm, name: &str, content: &str) -> Value {
    upload(
        crm,
        json!({"file_name": name, "file_size": content.len()}),
        content,
    )
    .await
}

#[tokio::test]
async fn a_file_goes_up_in_parts_and_comes_down_whole() {
    let crm = Crm::empty().await;
    let account = crm.read("account?with=drive_url").await;
    assert_eq!(account["drive_url"], crm.emulator.base_url());

    let content = "0123456789abcdef".repeat(PART / 16 * 2 + 5);
    let file = upload_text(&crm, "plan.txt", &content).await;
    assert_eq!(file["type"], "document");
    assert_eq!(file["size"], content.len());
    assert_eq!(
        file["metadata"],
        json!({"extension": "txt", "mime_type": "text/plain"})
    );
    let link = file["_links"]["download"]["href"].as_str().unwrap();
    let (status, bytes) = crm.download(link).await;
    assert_eq!((status, bytes.len()), (200, content.len()));
    assert_eq!(bytes, content.as_bytes());

    // A second version takes its place; the first one can still be had.
    let uuid = file["uuid"].as_str().unwrap();
    let session = json!({"file_name": "plan v2.txt", "file_size": 3, "file_uuid": uuid});
    let second = upload(&crm, session, "new").await;
    assert_eq!(second["uuid"], uuid);
    assert_eq!(second["has_multiple_versions"], true);
    let path = format!("/v1.0/files/{uuid}");
    let versions = crm.read(&format!("{path}/versions")).await;
    let versions = versions["_embedded"]["versions"].as_array().unwrap();
    let mains: Vec<&Value> = versions.iter().map(|version| &version["is_main"]).collect();
    assert_eq!(mains, [&json!(true), &json!(false)]);
    let back = crm
        .change(&path, json!({"version_uuid": file["version_uuid"]}))
        .await;
    assert_eq!(back["size"], content.len());
    let both = json!({"name": "x", "version_uuid": file["version_uuid"]});
    assert_eq!(crm.patch(&path, both).await.0, 400);
    assert_eq!(
        crm.change(&path, json!({"name": "План.txt"})).await["name"],
        "План.txt"
    );
}

#[tokio::test]
async fn a_session_takes_what_it_was_opened_for_and_nothing_else() {
    let mut crm = Crm::empty().await;
    let open = async |size: usize| {
        let session = json!({"file_name": "a.bin", "file_size": size});
        let (_, opened) = crm.post("/v1.0/sessions", session).await;
        crm.local(opened["upload_url"].as_str().unwrap()).to_owned()
    };
    let part = async |url: &str, length: usize| {
        crm.send(Method::POST, url, Some("x".repeat(length))).await
    };
    for wrong in [
        json!({"file_size": 5}),
        json!({"file_name": "a", "file_size": 0}),
        json!({"file_name": "a", "file_size": 314_572_801}),
        json!({"file_name": "a", "file_size": "5"}),
    ] {
        assert_eq!(
            crm.post("/v1.0/sessions", wrong.clone()).await.0,
            400,
            "{wrong}"
        );
    }
    let unknown = json!({"file_name": "a", "file_size": 5, "file_uuid": "nobody"});
    assert_eq!(crm.post("/v1.0/sessions", unknown).await.0, 404);

    assert_eq!(part(&open(PART * 2).await, PART + 1).await.0, 400);
    let url = open(10).await;
    assert_eq!(part(&url, 11).await.0, 400);
    let (_, first) = part(&url, 4).await;
    // The answer was lost: the same part again gets the same answer.
    assert_eq!(part(&url, 4).await.1, first);
    assert_eq!(part(&url, 5).await.0, 400);
    let next = crm.local(first["next_url"].as_str().unwrap()).to_owned();
    assert_eq!(part(&next, 6).await.1["size"], 10);
    assert_eq!(part(&next, 6).await.0, 404, "the session is closed");

    let late = open(10).await;
    crm.emulator.advance(Duration::from_hours(25));
    crm.take_token(json!({})).await;
    let (status, _) = crm.send(Method::POST, &late, Some("x".into())).await;
    assert_eq!(status, 404, "a day is over");
}

#[tokio::test]
async fn lists_are_narrowed_and_the_trash_gives_back_for_thirty_days() {
    let mut crm = Crm::empty().await;
    let note = upload_text(&crm, "Заметка.txt", "12345").await;
    let photo = upload_text(&crm, "photo.JPG", &"x".repeat(3000)).await;
    let uuid = |file: &Value| file["uuid"].as_str().unwrap().to_owned();
    let found = async |query: &str| -> Vec<String> {
        let (status, document) = crm.get(&format!("/v1.0/files?{query}")).await;
        if status == 204 {
            return Vec::new();
        }
        assert_eq!(status, 200, "{query}: {document}");
        let files = document["_embedded"]["files"].as_array().unwrap();
        assert_eq!(document["_count"], files.len());
        files.iter().map(uuid).collect()
    };
    assert_eq!(found("").await.len(), 2);
    assert_eq!(found("limit=1").await.len(), 1);
    for query in [
        format!("filter[uuid]={},nobody", uuid(&photo)),
        "filter[extensions][]=jpg".to_owned(),
        "filter[name]=PHOTO".to_owned(),
        "filter[size][from]=2&filter[size][unit]=kb".to_owned(),
        "filter[term]=pho&filter[date][type]=created_at&filter[date][date_preset]=day".to_owned(),
        "filter[term]=pho&filter[created_by][]=9000001".to_owned(),
    ] {
        assert_eq!(found(&query).await, [uuid(&photo)], "{query}");
    }
    assert!(found("filter[created_by][]=-1").await.is_empty());
    assert!(found("filter[date][date_preset]=tomorrow").await.is_empty());
    assert_eq!(
        crm.get("/v1.0/files?filter[date][date_preset]=x").await.0,
        400
    );

    let body = || Some(json!([{"uuid": uuid(&note)}]).to_string());
    let delete = || crm.send(Method::DELETE, "/v1.0/files", body());
    assert_eq!(delete().await.0, 204);
    assert_eq!(delete().await.0, 404);
    assert_eq!(found("filter[deleted]").await, [uuid(&note)]);
    let path = format!("/v1.0/files/{}", uuid(&note));
    assert_eq!(crm.get(&path).await.0, 404);
    let trashed = crm.read(&format!("{path}?with=deleted")).await;
    assert_eq!(trashed["is_trashed"], true);
    let restored = crm
        .post("/v1.0/files/restore", json!([{"uuid": uuid(&note)}]))
        .await;
    assert_eq!(
        restored.1["_embedded"]["files"][0]["deleted_at"],
        Value::Null
    );
    assert_eq!(delete().await.0, 204);
    crm.emulator.advance(Duration::from_hours(24 * 31));
    crm.take_token(json!({})).await;
    assert_eq!(crm.get(&format!("{path}?with=deleted")).await.0, 404);
}

#[tokio::test]
async fn files_hang_on_cards_and_know_them() {
    let crm = Crm::empty().await;
    let lead = crm.create("leads", json!({"name": "Order"})).await;
    let mut uuids = Vec::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        let file = upload_text(&crm, name, "x").await;
        uuids.push(file["uuid"].as_str().unwrap().to_owned());
    }
    let path = format!("leads/{lead}/files");
    assert_eq!(crm.get(&path).await.0, 204);
    let body: Vec<Value> = uuids
        .iter()
        .map(|uuid| json!({"file_uuid": uuid}))
        .collect();
    let put = |body: Value| crm.send(Method::PUT, &path, Some(body.to_string()));
    assert_eq!(put(json!(body)).await, (202, Value::Null));
    assert_eq!(put(json!(body)).await.0, 202, "once more changes nothing");
    assert_eq!(put(json!([{"file_uuid": "nobody"}])).await.0, 400);

    let first = crm.read(&format!("{path}?limit=2")).await;
    let files = first["_embedded"]["files"].as_array().unwrap();
    assert_eq!(files[0]["file_uuid"], uuids[2], "newest first");
    let next = first["_links"]["next"]["href"].as_str().unwrap();
    assert!(next.ends_with(&format!("before_id={}", files[1]["id"])));
    let second = crm.read(crm.local(next)).await;
    assert_eq!(second["_embedded"]["files"][0]["file_uuid"], uuids[0]);
    assert!(second["_links"]["next"].is_null());

    let links = crm.read(&format!("files/{}/links", uuids[0])).await;
    assert_eq!(links["entities"][0]["id"], lead);
    assert_eq!(links["entities"][0]["entity_type"], "leads");

    let one = Some(json!([{"file_uuid": uuids[0]}]).to_string());
    assert_eq!(crm.send(Method::DELETE, &path, one).await.0, 202);
    let left = crm.read(&path).await;
    assert_eq!(left["_embedded"]["files"].as_array().unwrap().len(), 2);
    assert_eq!(crm.get("leads/1/files").await.0, 404);
    assert_eq!(crm.get("robots/1/files").await.0, 404);
}

#[tokio::test]
async fn files_survive_a_restart_with_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let start = async || {
        let builder = Emulator::builder().seed(Seed::Empty).rate_limit(None);
        Crm::with(builder.state(&state).start().await.unwrap())
    };
    let crm = start().await;
    let file = upload_text(&crm, "a.txt", "kept").await;
    crm.emulator.shutdown().await;
    let crm = start().await;
    let path = format!("/v1.0/files/{}", file["uuid"].as_str().unwrap());
    let again = crm.read(&path).await;
    let link = again["_links"]["download_version"]["href"]
        .as_str()
        .unwrap();
    assert_eq!(crm.download(link).await, (200, b"kept".to_vec()));
}

#[tokio::test]
async fn the_file_service_wants_a_token_with_its_own_scope() {
    let mut crm = Crm::empty().await;
    crm.take_token(json!({"scopes": ["crm"]})).await;
    assert_eq!(crm.get("/v1.0/files").await.0, 403);
    crm.take_token(json!({"scopes": ["files"]})).await;
    assert_eq!(crm.get("/v1.0/files").await.0, 204);
    let body = Some("[]".to_owned());
    assert_eq!(crm.send(Method::DELETE, "/v1.0/files", body).await.0, 403);
    assert_eq!(crm.get("account").await.0, 403);
}
