//! What a request says about a new user.

use serde_json::Value;

use crate::{
    api::{call::Context, reader::Reader, rights},
    problem::Violations,
    world::User,
};

const MAX_NAME: usize = 50;
const MIN_PASSWORD: usize = 6;

/// A user to be added. The password is checked and forgotten: nobody logs in to the emulator.
pub(super) struct Draft {
    name: String,
    pub(super) email: String,
    lang: String,
    is_free: bool,
    role_id: Option<u64>,
    group_id: u64,
    rights: Option<Value>,
}

impl Draft {
    pub(super) fn read(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Self {
        item.only(
            &["name", "email", "password", "lang", "rights", "request_id"],
            out,
        );
        let name = item.required_string("name", out).unwrap_or_default();
        if name.chars().count() > MAX_NAME {
            out.too_long("name", MAX_NAME);
        }
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '@' | '-' | '_' | ' ');
        if item.value("name").is_some() && (name.trim().is_empty() || !name.chars().all(is_plain)) {
            out.push(
                "InvalidFormat",
                "name",
                "This value may contain letters, digits, spaces and . @ - _ only.",
            );
        }
        let email = item.required_string("email", out).unwrap_or_default();
        let is_address = email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        if item.value("email").is_some() && !is_address {
            out.push(
                "InvalidEmail",
                "email",
                "This value is not a valid email address.",
            );
        }
        let mut users = cx.account.users.iter();
        if users.any(|user| user.email.eq_ignore_ascii_case(email)) {
            out.push(
                "NotUnique",
                "email",
                "A user with this email exists already.",
            );
        }
        check_password(item, out);
        let lang = item.choice("lang", &["ru", "en", "es", "pt"], out);
        item.require("rights", out);
        let mut draft = Self {
            name: name.to_owned(),
            email: email.to_owned(),
            lang: lang.unwrap_or("ru").to_owned(),
            is_free: false,
            role_id: None,
            group_id: 0,
            rights: None,
        };
        if let Some(given) = item.child("rights", out) {
            draft.read_rights(cx, &given, out);
        }
        draft
    }

    /// A role, or having no seat, takes the place of all other rights.
    fn read_rights(&mut self, cx: &Context<'_>, given: &Reader<'_>, out: &mut Violations) {
        self.is_free = given.bool("is_free", out).unwrap_or(false);
        self.group_id = given.id("group_id", out).unwrap_or_default();
        if cx
            .account
            .user_groups()
            .all(|group| group.id != self.group_id)
        {
            out.choice(given.path("group_id"));
        }
        self.role_id = given.id("role_id", out);
        if self
            .role_id
            .is_some_and(|id| cx.account.services.roles.find(id).is_none())
        {
            out.choice(given.path("role_id"));
        }
        if !self.is_free && self.role_id.is_none() {
            rights::require(given, out);
            self.rights = Some(rights::read(cx, given, true, None, out));
        }
    }

    pub(super) fn into_user(self, id: u64) -> User {
        User {
            id,
            name: self.name,
            email: self.email,
            lang: self.lang,
            group_id: self.group_id,
            is_admin: false,
            is_active: true,
            is_free: self.is_free,
            role_id: self.role_id,
            rights: self.rights,
        }
    }
}

fn check_password(item: &Reader<'_>, out: &mut Violations) {
    let Some(password) = item.required_string("password", out) else {
        return;
    };
    let is_strong = password.chars().count() >= MIN_PASSWORD
        && password.contains(|c: char| c.is_ascii_digit())
        && password.contains(char::is_lowercase)
        && password.contains(char::is_uppercase);
    if !is_strong {
        out.push(
            "WeakPassword",
            "password",
            format!(
                "This value should have {MIN_PASSWORD} characters or more, with a digit, a lower and an upper case letter."
            ),
        );
    }
}
