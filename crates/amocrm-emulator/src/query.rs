//! The query string as PHP reads it: `filter[id][]=5`, `filter%5Bid%5D%5B0%5D=5`, `order[updated_at]=desc`.

use std::collections::HashMap;

use form_urlencoded::{Serializer, parse};

/// Page size when none is asked for.
const DEFAULT_LIMIT: usize = 50;
/// The largest page; a larger `limit` is lowered to it without a word.
pub(crate) const MAX_LIMIT: usize = 250;

/// A parsed query string.
#[derive(Default)]
pub(crate) struct Query {
    entries: Vec<Entry>,
}

struct Entry {
    key: String,
    path: Vec<String>,
    value: String,
}

/// The direction of an `order[field]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// The bounds of a range filter; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) from: Option<f64>,
    pub(crate) to: Option<f64>,
}

impl Range {
    pub(crate) fn contains(self, value: f64) -> bool {
        self.from.is_none_or(|from| value >= from) && self.to.is_none_or(|to| value <= to)
    }
}

impl Query {
    /// A key that is repeated keeps its place and gets the last value; `[]` takes the next free index. Clients that repeat
    /// `filter[id]=` for a list filter by the last id only, here as there.
    pub(crate) fn parse(raw: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<Vec<String>, usize> = HashMap::new();
        let mut next_indexes: HashMap<Vec<String>, u64> = HashMap::new();
        for (key, value) in parse(raw.as_bytes()) {
            let mut path = segments(&key);
            if let [parent @ .., last] = path.as_mut_slice()
                && !parent.is_empty()
            {
                let next = next_indexes.entry(parent.to_vec()).or_default();
                if last.is_empty() {
                    *last = next.to_string();
                }
                if let Ok(index) = last.parse::<u64>() {
                    *next = (*next).max(index.saturating_add(1));
                }
            }
            let value = value.into_owned();
            if let Some(&place) = places.get(&path) {
                entries[place].value = value;
            } else {
                places.insert(path.clone(), entries.len());
                let key = key.into_owned();
                entries.push(Entry { key, path, value });
            }
        }
        Self { entries }
    }

    /// The value of exactly this key.
    pub(crate) fn get(&self, path: &[&str]) -> Option<&str> {
        self.entries
            .iter()
            .find(|e| e.path == path)
            .map(|e| e.value.as_str())
    }

    /// One or many: `filter[id]=5` and `filter[id][]=5&filter[id][]=6` alike. Empty values are left out.
    pub(crate) fn list(&self, path: &[&str]) -> Vec<&str> {
        self.entries
            .iter()
            .filter(|e| {
                e.path == path || (e.path.len() == path.len() + 1 && starts_with(&e.path, path))
            })
            .filter(|e| {
                !matches!(e.path.last().map(String::as_str), Some("from" | "to"))
                    && !e.value.is_empty()
            })
            .map(|e| e.value.as_str())
            .collect()
    }

    /// [`Query::list`], whose values may be lists themselves: `filter[type]=a,b`.
    pub(crate) fn comma_list(&self, path: &[&str]) -> Vec<&str> {
        self.list(path)
            .into_iter()
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// `[from]` and `[to]`, or a bare moment, which means "not before".
    pub(crate) fn since(&self, path: &[&str]) -> Option<Range> {
        match self.get(path).and_then(|v| v.parse().ok()) {
            Some(from) => Some(Range {
                from: Some(from),
                to: None,
            }),
            None => self.range(path),
        }
    }

    /// `[from]` and `[to]`, or a bare value, which means both.
    pub(crate) fn range(&self, path: &[&str]) -> Option<Range> {
        let end = |name| {
            let mut full = path.to_vec();
            full.push(name);
            self.get(&full).and_then(|v| v.parse().ok())
        };
        let exact = self.get(path).and_then(|v| v.parse().ok());
        let range = Range {
            from: end("from").or(exact),
            to: end("to").or(exact),
        };
        (range.from.is_some() || range.to.is_some()).then_some(range)
    }

    /// The distinct keys one level below.
    pub(crate) fn children(&self, path: &[&str]) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for entry in self
            .entries
            .iter()
            .filter(|e| e.path.len() > path.len() && starts_with(&e.path, path))
        {
            let key = entry.path[path.len()].as_str();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether `with=` names this part.
    pub(crate) fn with(&self, part: &str) -> bool {
        self.list(&["with"])
            .iter()
            .any(|v| v.split(',').any(|p| p.trim() == part))
    }

    /// The first `order[field]=asc|desc` whose field is among the allowed; anything else is not an error.
    pub(crate) fn order(&self, allowed: &[&'static str]) -> Option<(&'static str, Direction)> {
        self.entries
            .iter()
            .filter(|e| e.path.len() == 2 && e.path[0] == "order")
            .find_map(|e| {
                let field = allowed.iter().find(|f| **f == e.path[1])?;
                match e.value.to_ascii_lowercase().as_str() {
                    "asc" => Some((*field, Direction::Ascending)),
                    "desc" => Some((*field, Direction::Descending)),
                    _ => None,
                }
            })
    }

    pub(crate) fn page(&self) -> usize {
        self.get(&["page"])
            .and_then(|v| v.parse().ok())
            .filter(|p| *p > 0)
            .unwrap_or(1)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit_up_to(MAX_LIMIT)
    }

    /// The page size where the largest page is another one.
    pub(crate) fn limit_up_to(&self, max: usize) -> usize {
        self.get(&["limit"])
            .and_then(|v| v.parse().ok())
            .filter(|l| *l > 0)
            .unwrap_or(DEFAULT_LIMIT)
            .min(max)
    }

    /// The same query with another page, for `_links`.
    pub(crate) fn with_page(&self, page: usize) -> String {
        self.with_page_of(page, self.limit())
    }

    /// The same query with another page of this size.
    pub(crate) fn with_page_of(&self, page: usize, limit: usize) -> String {
        let mut out = Serializer::new(String::new());
        out.append_pair("page", &page.to_string())
            .append_pair("limit", &limit.to_string());
        for entry in self
            .entries
            .iter()
            .filter(|e| e.key != "page" && e.key != "limit")
        {
            out.append_pair(&entry.key, &entry.value);
        }
        out.finish()
    }
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(a, b)| a == b)
}

/// `filter[id][0]` → `filter`, `id`, `0`. A key with broken brackets is one segment.
fn segments(key: &str) -> Vec<String> {
    let Some(open) = key.find('[').filter(|open| *open > 0) else {
        return vec![key.to_owned()];
    };
    let mut path = vec![key[..open].to_owned()];
    let mut rest = &key[open..];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some(close) = inner.find(']') else { break };
        path.push(inner[..close].to_owned());
        rest = &inner[close + 1..];
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read_raw_and_encoded_with_and_without_indexes() {
        for raw in [
            "filter[id][]=5&filter[id][]=6",
            "filter%5Bid%5D%5B0%5D=5&filter%5Bid%5D%5B1%5D=6",
            "filter[id][7]=5&filter[id][3]=6",
        ] {
            assert_eq!(
                Query::parse(raw).list(&["filter", "id"]),
                ["5", "6"],
                "{raw}"
            );
        }
        assert_eq!(Query::parse("filter[id]=5").list(&["filter", "id"]), ["5"]);
    }

    #[test]
    fn a_repeated_key_has_its_last_value() {
        for (raw, ids) in [
            ("filter[id]=5&filter[id]=6", &["6"][..]),
            ("filter[id][0]=5&filter[id][0]=6", &["6"]),
            (
                "filter[id][3]=5&filter[id][]=6&filter[id][3]=7",
                &["7", "6"],
            ),
        ] {
            assert_eq!(Query::parse(raw).list(&["filter", "id"]), ids, "{raw}");
        }
    }

    #[test]
    fn a_limit_above_250_is_lowered_and_nonsense_is_the_default() {
        assert_eq!(Query::parse("limit=1000").limit(), 250);
        for raw in ["", "limit=0", "limit=-1", "limit=x"] {
            assert_eq!(Query::parse(raw).limit(), 50, "{raw}");
        }
        assert_eq!(Query::parse("page=0").page(), 1);
    }

    #[test]
    fn links_repeat_the_query() {
        let query = Query::parse("with=contacts&filter[id][]=5&page=2&limit=9999");
        assert_eq!(
            query.with_page(3),
            "page=3&limit=250&with=contacts&filter%5Bid%5D%5B%5D=5"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_query_string_panics(raw in ".{0,200}") {
            let query = Query::parse(&raw);
            query.children(&["filter"]);
            query.range(&["filter", "id"]);
            query.with_page(1);
        }
    }
}
