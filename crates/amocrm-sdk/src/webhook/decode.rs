//! From the tree to events.

use super::error::{ParseError, ParseErrorKind};
use super::event::{
    Action, CompanyEvent, ContactEvent, Event, FromItem, UnknownEvent, WIDGET_ID_KEY, WidgetEvent,
};
use super::fields::{id, text};
use super::{AccountRef, Key, Payload, Tree};

pub(super) fn payload(root: &Tree) -> Result<Payload, ParseError> {
    let mut read = Read::default();
    for (key, node) in root.iter() {
        let Key::Name(key) = key else { continue };
        match &**key {
            "account" => {}
            "event" => read.push(widget(root)),
            // Settings of the widget, read with `event`.
            "action" if root.get("event").is_some() => {}
            // A review of a chat template has no key of its own.
            "add" => Items {
                entity: "",
                action: "add",
                found: &mut read,
            }
            .read(node, Event::TemplateReview),
            entity => top_level(entity, node, &mut read),
        }
    }
    let mut problems = read.problems.into_iter();
    match problems.next() {
        // A body of nothing but such items is none of amoCRM's.
        Some(first) if read.events.is_empty() => Err(first),
        first => Ok(Payload {
            account: account(root),
            events: read.events,
            problems: first.into_iter().chain(problems).collect(),
        }),
    }
}

/// What was found in the body so far.
#[derive(Default)]
struct Read {
    events: Vec<Event>,
    problems: Vec<ParseError>,
}

impl Read {
    fn push(&mut self, item: Result<Event, ParseError>) {
        match item {
            Ok(event) => self.events.push(event),
            Err(problem) => self.problems.push(problem),
        }
    }
}

pub(super) fn account(root: &Tree) -> AccountRef {
    let account = root.get("account");
    let part = |name| account.and_then(|account| text(account, name));
    let link = account.and_then(|account| account.at(["_links", "self"]));
    AccountRef {
        // Widgets in the digital pipeline tell it at the top.
        id: account
            .and_then(|account| id(account, "id"))
            .or_else(|| id(root, "account_id")),
        subdomain: part("subdomain").or_else(|| text(root, "subdomain")),
        self_href: link
            .and_then(|link| link.as_str().or_else(|| link.get("href")?.as_str()))
            .map(ToOwned::to_owned),
    }
}

fn widget(root: &Tree) -> Result<Event, ParseError> {
    WidgetEvent::from_root(root)
        .map(Event::Widget)
        .ok_or_else(|| ParseError::new(ParseErrorKind::Item, WIDGET_ID_KEY, "a numeric id"))
}

fn top_level(entity: &str, node: &Tree, found: &mut Read) {
    // A value at the top, such as `account_id`, is about the delivery and no event.
    for (action, node) in node.iter() {
        let action = action.text();
        let mut items = Items {
            entity,
            action: &action,
            found,
        };
        match entity {
            "leads" | "lead" => items.read(node, Event::Lead),
            // Companies come here too, told apart by their type.
            "contacts" | "contact" => items.read_parties(node),
            "companies" | "company" => items.read(node, Event::Company),
            "customers" | "customer" => items.read(node, Event::Customer),
            "task" | "tasks" => items.read(node, Event::Task),
            "unsorted" => items.read(node, Event::Unsorted),
            "catalogs" | "catalog" => items.read(node, Event::CatalogElement),
            "message" | "messages" | "outgoing_message" | "outgoing_messages" => {
                items.read(node, Event::Message);
            }
            "talk" | "talks" => items.read(node, Event::Talk),
            _ => items.unknown(node),
        }
    }
}

/// The items under one entity and action.
struct Items<'a> {
    entity: &'a str,
    action: &'a str,
    found: &'a mut Read,
}

impl Items<'_> {
    fn read<T: FromItem>(&mut self, node: &Tree, event: fn(T) -> Event) {
        self.each(node, T::ID_KEY, |items, item, path| {
            items.push(item, path, event);
        });
    }

    fn read_parties(&mut self, node: &Tree) {
        self.each(node, ContactEvent::ID_KEY, |items, item, path| {
            match item.get("type").and_then(Tree::as_str) {
                Some("company" | "companies") => {
                    items.push::<CompanyEvent>(item, path, Event::Company);
                }
                _ => items.push::<ContactEvent>(item, path, Event::Contact),
            }
        });
    }

    /// Calls `read` with every item in the shapes seen: `[0][id]=1`, `[0][0][id]=1`, `[id]=1`, `[0]=1` and the bare `=1`.
    fn each(&mut self, node: &Tree, id_key: &str, read: impl Fn(&mut Self, &Tree, &str)) {
        /// The list, and the list within an item of the vendor's own sample.
        const LIST_LEVELS: usize = 2;

        let mut stack = vec![(node, String::new(), LIST_LEVELS)];
        while let Some((node, path, levels)) = stack.pop() {
            if node.is_indexed() && levels > 0 {
                let below: Vec<_> = node
                    .iter()
                    .map(|(index, item)| (item, format!("{path}[{index}]"), levels - 1))
                    .collect();
                stack.extend(below.into_iter().rev());
            } else if let Some(scalar) = node.as_str() {
                // `leads[delete]=` is an empty list.
                if !scalar.is_empty() {
                    read(self, &Tree::of(id_key, scalar), &path);
                }
            } else if node.iter().next().is_some() {
                read(self, node, &path);
            }
        }
    }

    fn push<T: FromItem>(&mut self, item: &Tree, path: &str, event: fn(T) -> Event) {
        let action = Action::from(self.action);
        let is_known = !matches!(action, Action::Unknown(_));
        match T::from_item(action, item) {
            Some(read) => self.found.events.push(event(read)),
            None if is_known => {
                let key = match self.entity {
                    "" => format!("{}{path}[{}]", self.action, T::ID_KEY),
                    entity => format!("{entity}[{}]{path}[{}]", self.action, T::ID_KEY),
                };
                let problem = ParseError::new(ParseErrorKind::Item, &key, T::ID_EXPECTED);
                self.found.problems.push(problem);
            }
            // What a new action looks like, nobody knows.
            None => self.unknown(item),
        }
    }

    fn unknown(&mut self, node: &Tree) {
        self.found.events.push(Event::Unknown(UnknownEvent {
            key: self.entity.to_owned(),
            action: self.action.into(),
            raw: node.clone(),
        }));
    }
}
