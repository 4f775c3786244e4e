//! Users that are added, and the roles they get.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{
    client::{Crm, violations},
    shapes::{assert_shape, fixture},
};

fn rights(view: &str) -> Value {
    let entity = json!({"view": view, "edit": view, "add": "A", "delete": "D", "export": "D"});
    json!({
        "leads": entity, "contacts": entity, "companies": entity, "tasks": {"edit": view, "delete": "D"},
        "mail_access": false, "catalog_access": true,
    })
}

#[tokio::test]
async fn a_role_gives_its_rights_to_users_and_leaves_them_when_it_goes() {
    let mut crm = Crm::empty().await;
    let (status, made) = crm
        .post(
            "roles",
            json!([{"name": "Менеджер", "rights": rights("M")}]),
        )
        .await;
    assert_eq!(status, 201, "{made}");
    let role = made["_embedded"]["roles"][0]["id"].as_u64().unwrap();
    let (status, _) = crm
        .post("roles", json!({"name": "Один", "rights": rights("A")}))
        .await;
    assert_eq!(status, 201, "one object is taken, too");

    let user = json!({"name": "Пётр Иванов", "email": "petr@acme.example", "password": "Invented2", "rights": {"role_id": role}});
    let (status, made) = crm.post("users", json!([user])).await;
    assert_eq!(status, 201, "{made}");
    let user = made["_embedded"]["users"][0]["id"].as_u64().unwrap();
    let seen = crm
        .read(&format!("users/{user}?with=role,amojo_id,uuid,user_rank"))
        .await;
    assert_eq!(seen["rights"]["leads"]["view"], "M");
    assert_eq!(seen["rights"]["role_id"], role);
    assert_eq!(seen["_embedded"]["roles"][0]["name"], "Менеджер");
    assert!(seen["amojo_id"].is_string() && seen["uuid"].is_string());

    let path = format!("roles/{role}");
    assert_eq!(crm.patch(&path, json!({})).await.0, 400);
    let (status, changed) = crm
        .patch(&path, json!({"rights": {"leads": rights("A")["leads"]}}))
        .await;
    assert_eq!(
        (status, &changed["rights"]["leads"]["view"]),
        (202, &json!("A"))
    );
    assert_eq!(
        changed["rights"]["contacts"]["view"], "M",
        "what is not named stays"
    );
    let seen = crm.read(&format!("{path}?with=users")).await;
    assert_eq!(seen["_embedded"]["users"][0]["id"], user);

    assert_eq!(crm.delete(&path).await.0, 204);
    assert_eq!(crm.get(&path).await.0, 404);
    let seen = crm.read(&format!("users/{user}")).await;
    assert_eq!(seen["rights"]["role_id"], Value::Null);
    assert_eq!(seen["rights"]["leads"]["view"], "A");

    let ids = json!([{"id": user}]);
    assert_eq!(crm.post("users/deactivate", ids.clone()).await.0, 204);
    let seen = crm.read(&format!("users/{user}")).await;
    assert_eq!(seen["rights"]["is_active"], false);
    assert_eq!(crm.post("users/activate", ids).await.0, 202);
    let admin = json!([{"id": 9_000_001}]);
    assert_eq!(crm.post("users/deactivate", admin).await.0, 400);

    crm.act_as(user).await;
    assert_eq!(crm.get("users").await.0, 403);
    assert_eq!(crm.post("roles", json!([])).await.0, 403);
}

#[tokio::test]
async fn a_user_who_cannot_be_is_refused_by_field() {
    let crm = Crm::empty().await;
    let user = json!({
        "name": "<b>", "email": "admin@empty.example", "password": "weak", "lang": "xx",
        "rights": {"leads": {"view": "M", "edit": "A", "add": "M", "wash": "A"}},
    });
    let (status, document) = crm.post("users", json!([user])).await;
    assert_eq!(status, 400);
    let mut found = violations(&document);
    found.sort();
    assert_eq!(
        found,
        [
            "0: FieldMissing rights.companies",
            "0: FieldMissing rights.contacts",
            "0: FieldMissing rights.tasks",
            "0: FieldNotExpected rights.leads.wash",
            "0: InvalidFormat name",
            "0: NotSupportedChoice lang",
            "0: NotSupportedChoice rights.leads.add",
            "0: NotSupportedChoice rights.leads.edit",
            "0: NotUnique email",
            "0: WeakPassword password",
        ]
    );
    let many: Vec<Value> = (0..11).map(|_| json!({})).collect();
    assert_eq!(crm.post("users", json!(many)).await.0, 422);
    let put = crm.send(Method::PUT, "users", None).await;
    assert_eq!(put, (405, Value::Null));
}

#[tokio::test]
async fn roles_and_users_have_the_shapes_of_the_fixtures() {
    let crm = Crm::empty().await;
    let pipeline = crm.read("leads/pipelines").await;
    let pipeline = &pipeline["_embedded"]["pipelines"][0]["id"];
    let mut request = fixture("users_create_request");
    request.as_array_mut().unwrap().truncate(1);
    request[0]["rights"]["status_rights"][0]["pipeline_id"] = pipeline.clone();
    let (status, made) = crm.post("users", request).await;
    assert_eq!(status, 201, "{made}");
    let mut expected = fixture("users_create_response")["_embedded"]["users"][0].clone();
    // This right is not in the sample; it is in those of `GET /users`.
    expected["rights"]["files_access"] = json!(false);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let user = &made["_embedded"]["users"][0];
    assert_eq!(keys(user), keys(&expected));
    assert_eq!(keys(&user["rights"]), keys(&expected["rights"]));
    assert_eq!(user["rights"]["status_rights"][0]["status_id"], 142);
    assert_shape("user_get", crm.get("users/9000001").await);
}

/// The API neither makes groups nor removes people; an administrator does both in the interface.
#[tokio::test]
async fn people_stand_in_groups_and_who_was_removed_is_given_nothing() {
    let crm = Crm::empty().await;
    let user = |email: &str| json!({"name": "Анна Линь", "email": email, "password": "Invented2", "rights": {"is_free": true}});
    let users = json!([user("anna@acme.example"), user("boris@acme.example")]);
    let (_, made) = crm.post("users", users).await;
    let ids: Vec<u64> = made["_embedded"]["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["id"].as_u64().unwrap())
        .collect();
    let request = json!({"name": "Бали", "users": [ids[0]]});
    let (status, group) = crm.control("users/group", request.clone()).await;
    assert_eq!(status, 200, "{group}");
    assert_eq!(crm.control("users/group", request).await.1, group);
    let account = crm.read("account?with=users_groups").await;
    let groups = account["_embedded"]["users_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!(
        (&groups[1]["id"], &groups[1]["name"]),
        (&group["id"], &json!("Бали"))
    );
    let seen = crm.read(&format!("users/{}?with=group", ids[0])).await;
    assert_eq!(seen["rights"]["group_id"], group["id"]);
    assert_eq!(seen["_embedded"]["groups"][0]["name"], "Бали");

    let removed = json!({"id": ids[1]});
    assert_eq!(crm.control("users/remove", removed).await.0, 204);
    let lead = json!([{"name": "x", "responsible_user_id": ids[1]}]);
    let (status, refusal) = crm.post("leads", lead).await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&refusal),
        ["0: NotSupportedChoice responsible_user_id"]
    );
}
