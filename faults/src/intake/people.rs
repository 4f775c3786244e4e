//! Who posts what, and when: fewer persons than leads, and the same person in several spellings.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Builder;

use crate::plan::{between, chances};

/// Somebody who leaves leads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    /// What every lead of this person carries one of.
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    /// E-mails that some leads add.
    pub(crate) more_emails: Vec<String>,
    pub(crate) name: String,
}

/// A form that somebody sends.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) number: usize,
    pub(crate) person: usize,
    pub(crate) at: Duration,
    /// The `Idempotency-Key` of the page.
    pub(crate) key: String,
    pub(crate) body: Value,
    pub(crate) comment: Option<String>,
    /// Which process it is sent to first.
    pub(crate) slot: usize,
    /// A status that somebody sets here afterwards.
    pub(crate) status: Option<&'static str>,
}

impl Post {
    /// Names the post in all three ledgers: `utm_content`.
    pub(crate) fn mark(&self) -> String {
        mark(self.number)
    }
}

fn mark(number: usize) -> String {
    format!("post-{number}")
}

/// Persons and their posts within `length`.
pub(super) fn plan(seed: u64, leads: usize, length: Duration) -> (Vec<Person>, Vec<Post>) {
    let mut chances = chances(seed, "people");
    let mut persons: Vec<Person> = Vec::new();
    let mut posts: Vec<Post> = Vec::new();
    let until = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    for number in 0..leads {
        // Of ten leads three are of somebody who has been here before, half of them at the very same moment.
        let is_repeated = !persons.is_empty() && number % 10 >= 7;
        let (person, at) = if is_repeated {
            let earlier = &posts[chances.usize(0..posts.len())];
            let at = if chances.bool() {
                earlier.at
            } else {
                earlier.at + between(&mut chances, 0, until / 4)
            };
            (earlier.person, at.min(length))
        } else {
            persons.push(new_person(&mut chances, seed, persons.len()));
            (persons.len() - 1, between(&mut chances, 0, until))
        };
        let known = &mut persons[person];
        let mut body = json!({
            "name": known.name,
            "utm_source": chances.choice(["google", "yandex", "vk"]),
            "utm_medium": "cpc",
            "utm_campaign": format!("campaign-{}", number % 7),
            "utm_content": mark(number),
            "utm_term": format!("квартира {number}"),
        });
        if let Some(phone) = &known.phone {
            body["phone"] = spelt_phone(&mut chances, phone).into();
            // A page that asks for the e-mail as well.
            if is_repeated && chances.u32(0..3) == 0 {
                let email = format!("more{number}.{person}@faults.example");
                body["email"] = spelt_email(&mut chances, &email).into();
                known.more_emails.push(email);
            }
        }
        if let Some(email) = &known.email
            && body["email"].is_null()
        {
            body["email"] = spelt_email(&mut chances, email).into();
        }
        let comment = (chances.u32(0..5) == 0).then(|| format!("Вопрос {number}: перезвоните мне"));
        if let Some(comment) = &comment {
            body["comment"] = comment.as_str().into();
        }
        posts.push(Post {
            number,
            person,
            at,
            key: Builder::from_random_bytes(chances.u128(..).to_le_bytes())
                .into_uuid()
                .to_string(),
            body,
            comment,
            slot: chances.usize(0..2),
            status: (number % 12 == 0).then_some("contacted"),
        });
    }
    posts.sort_by_key(|post| post.at);
    (persons, posts)
}

fn new_person(chances: &mut fastrand::Rng, seed: u64, index: usize) -> Person {
    let kind = chances.u32(0..10);
    // The seed among the digits keeps the persons of two runs on one machine apart.
    let phone = format!("+79{:02}{index:05}{:02}", seed % 100, seed / 100 % 100);
    let email = format!("guest{index}.{}@faults.example", seed % 10_000);
    Person {
        phone: (kind < 6).then_some(phone),
        email: (kind >= 5).then_some(email),
        more_emails: Vec::new(),
        name: format!("Гость{index}й Проверкин"),
    }
}

/// One number, as people write it.
fn spelt_phone(chances: &mut fastrand::Rng, phone: &str) -> String {
    let digits = &phone[2..];
    let (code, rest) = digits.split_at(3);
    match chances.u32(0..5) {
        0 => phone.to_owned(),
        1 => format!("8{digits}"),
        2 => format!("8 ({code}) {}-{}-{}", &rest[..3], &rest[3..5], &rest[5..]),
        3 => format!("+7 {code} {rest}"),
        _ => format!("7{digits}"),
    }
}

/// One address, as keyboards write it.
fn spelt_email(chances: &mut fastrand::Rng, email: &str) -> String {
    match chances.u32(0..3) {
        0 => email.to_owned(),
        1 => email.to_uppercase(),
        _ => format!("{}{}", email[..1].to_uppercase(), &email[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_people() {
        let plan = |seed| {
            let (persons, posts) = plan(seed, 100, Duration::from_secs(10));
            format!("{persons:?} {posts:?}")
        };
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3), plan(4));
    }

    #[test]
    fn there_are_fewer_persons_than_leads_and_some_post_at_once() {
        let (persons, posts) = plan(1, 500, Duration::from_secs(100));
        assert_eq!((persons.len(), posts.len()), (350, 500));
        let together = posts
            .windows(2)
            .filter(|pair| pair[0].at == pair[1].at && pair[0].person == pair[1].person);
        assert!(together.count() > 20);
        assert!(
            persons
                .iter()
                .all(|person| person.phone.is_some() || person.email.is_some())
        );
    }
}
