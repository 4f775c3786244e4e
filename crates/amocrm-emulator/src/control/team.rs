//! What an administrator does with users in the interface and the API cannot: groups, and removing somebody.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::world::Account;

/// Users to be put into the group of this name, which is made if it is missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutIntoGroup {
    name: String,
    #[serde(default)]
    users: Vec<u64>,
    #[serde(default)]
    account_id: Option<u64>,
}

/// A user to be removed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveUser {
    id: u64,
    #[serde(default)]
    account_id: Option<u64>,
}

/// Puts users into a group. Answers its id.
pub(super) fn put_into_group(app: &App, request: &PutIntoGroup) -> Result<Value, String> {
    with_account(app, request.account_id, |account| {
        if let Some(id) = request.users.iter().find(|id| account.user(**id).is_none()) {
            return Err(format!("users: there is no user {id}"));
        }
        let id = account.user_group(&request.name);
        for user in &mut account.users {
            if request.users.contains(&user.id) {
                user.group_id = id;
            }
        }
        Ok(json!({"id": id}))
    })
}

/// Removes a user. What they were responsible for keeps their number, which nothing takes any more.
pub(super) fn remove_user(app: &App, request: &RemoveUser) -> Result<(), String> {
    with_account(app, request.account_id, |account| {
        match account.user(request.id) {
            None => Err("id: there is no such user".to_owned()),
            Some(user) if user.is_admin => Err("id: administrators stay".to_owned()),
            Some(_) => {
                account.users.retain(|user| user.id != request.id);
                Ok(())
            }
        }
    })
}

fn with_account<T>(
    app: &App,
    account_id: Option<u64>,
    work: impl FnOnce(&mut Account) -> Result<T, String>,
) -> Result<T, String> {
    let outcome = app.with_world(|world| {
        let mut accounts = world.accounts.iter_mut();
        let account = accounts.find(|it| account_id.is_none_or(|id| id == it.id));
        work(account.ok_or("account_id: no such account")?)
    });
    app.mark_changed();
    outcome
}
